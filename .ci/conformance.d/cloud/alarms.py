"""Makes alarms as CloudFormation does: a number may come from a parameter, which is text, and an alarm may change."""

from localstack.services.cloudformation.resource_provider import OperationStatus, ProgressEvent
from localstack.services.cloudwatch.resource_providers.aws_cloudwatch_alarm import CloudWatchAlarmProvider


def install():
    create = CloudWatchAlarmProvider.create

    def create_from_text(self, request):
        with_number(request.desired_state)
        return create(self, request)

    def update(_, request):
        model = request.previous_state | request.desired_state
        with_number(model)
        request.aws_client_factory.cloudwatch.put_metric_alarm(**{k: v for k, v in model.items() if k not in ("Arn", "Id", "Tags")})
        return ProgressEvent(status=OperationStatus.SUCCESS, resource_model=model)

    CloudWatchAlarmProvider.create = create_from_text
    CloudWatchAlarmProvider.update = update


def with_number(model):
    model["Threshold"] = float(model["Threshold"])

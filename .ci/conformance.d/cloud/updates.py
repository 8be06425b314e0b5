"""Has LocalStack update stacks as CloudFormation does, as far as this template needs it.

LocalStack replaces what refers to something that changed, whether or not it comes to another value; for many kinds
it has no update and says that all went well; it deletes what is to be retained, and every stage with any deployment;
and a policy has no id.
"""

import json

from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER
from localstack.services.apigateway.resource_providers import (
    aws_apigateway_deployment,
    aws_apigateway_restapi,
    aws_apigateway_stage,
)
from localstack.services.cloudformation.engine.v2.change_set_model_executor import ChangeSetModelExecutor
from localstack.services.cloudformation.engine.v2.change_set_model_preproc import PreprocResource
from localstack.services.cloudformation.resource_provider import OperationStatus, ProgressEvent
from localstack.services.iam.resource_providers import aws_iam_managedpolicy
from localstack.services.lambda_.resource_providers import lambda_alias
from localstack.services.logs.resource_providers import aws_logs_loggroup
from localstack.services.scheduler.resource_providers import aws_scheduler_schedule


def install():
    execute, defer = ChangeSetModelExecutor._execute_resource_change, ChangeSetModelExecutor._defer_action

    def execute_change(self, name, before, after):
        if isinstance(before, PreprocResource) and isinstance(after, PreprocResource):
            was, is_ = before.properties.properties, after.properties.properties
            if was == is_:
                return
            schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", after.resource_type).schema
            fixed = {path.removeprefix("/properties/") for path in schema.get("createOnlyProperties", [])}
            after.requires_replacement = any(was.get(member) != is_.get(member) for member in fixed)
        execute(self, name, before, after)

    def defer_unless_retained(self, name, action):
        why, _, resource = name.rpartition("-")
        resources = self._change_set.update_model.node_template.resources.resources
        node = next(node for node in resources if node.name == resource)
        policy = node.deletion_policy if why == "remove" else node.update_replace_policy
        if getattr(policy, "value", None) != "Retain":
            defer(self, name, action)

    ChangeSetModelExecutor._execute_resource_change = execute_change
    ChangeSetModelExecutor._defer_action = defer_unless_retained

    for provider, update in (
            (lambda_alias.LambdaAliasProvider, update_alias),
            (aws_apigateway_restapi.ApiGatewayRestApiProvider, update_api),
            (aws_apigateway_stage.ApiGatewayStageProvider, update_stage),
            (aws_logs_loggroup.LogsLogGroupProvider, update_log_group),
            (aws_scheduler_schedule.SchedulerScheduleProvider, update_schedule)):
        provider.update = updating(update)
    aws_apigateway_deployment.ApiGatewayDeploymentProvider.delete = delete_deployment
    policies = aws_iam_managedpolicy.IAMManagedPolicyProvider
    policies.create = with_policy_id(policies.create)
    policies.update = updating(update_policy)


def updating(update):
    def run(self, request):
        # What only a created resource has stays.
        model = request.previous_state | request.desired_state
        update(request.aws_client_factory, model)
        return ProgressEvent(status=OperationStatus.SUCCESS, resource_model=model)

    return run


def delete_deployment(_, request):
    model = request.desired_state
    request.aws_client_factory.apigateway.delete_deployment(restApiId=model["RestApiId"], deploymentId=model["DeploymentId"])
    return ProgressEvent(status=OperationStatus.SUCCESS, resource_model=model)


def with_policy_id(create):
    def run(self, request):
        event = create(self, request)
        policy = request.aws_client_factory.iam.get_policy(PolicyArn=event.resource_model["Id"])["Policy"]
        event.resource_model |= {"PolicyId": policy["PolicyId"], "PolicyArn": policy["Arn"]}
        return event

    return run


def update_alias(clients, model):
    clients.lambda_.update_alias(FunctionName=model["FunctionName"], Name=model["Name"], FunctionVersion=model["FunctionVersion"])


def update_api(clients, model):
    clients.apigateway.put_rest_api(
        restApiId=model["RestApiId"], mode="overwrite", parameters={"basepath": "ignore"}, body=json.dumps(model["Body"]).encode())


def update_stage(clients, model):
    clients.apigateway.update_stage(restApiId=model["RestApiId"], stageName=model["StageName"], patchOperations=[
        {"op": "replace", "path": "/deploymentId", "value": model["DeploymentId"]}])


def update_log_group(clients, model):
    clients.logs.put_retention_policy(logGroupName=model["LogGroupName"], retentionInDays=int(model["RetentionInDays"]))


def update_schedule(clients, model):
    wanted = ("Name", "Description", "ScheduleExpression", "FlexibleTimeWindow", "Target", "State")
    clients.scheduler.update_schedule(**{member: model[member] for member in wanted if member in model})


def update_policy(clients, model):
    clients.iam.create_policy_version(PolicyArn=model["Id"], PolicyDocument=json.dumps(model["PolicyDocument"]), SetAsDefault=True)

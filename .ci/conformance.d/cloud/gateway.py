"""Asks Lambda authorizers, as API Gateway does before it looks at a key."""

import fnmatch
import json
import re

from localstack.aws.connect import connect_to
from localstack.services.apigateway.next_gen.execute_api import gateway, gateway_response
from localstack.services.apigateway.next_gen.execute_api.api import RestApiGatewayHandler
from moto.apigateway.models import APIGatewayBackend

FUNCTION = re.compile(r"functions/(.+)/invocations$")
HEADER = re.compile(r"method\.request\.header\.(.+)$")


def install():
    begin = gateway.RestApiGateway.__init__

    def with_authorizers(self):
        begin(self)
        handlers = self.request_handlers
        handlers.insert(handlers.index(gateway.handlers.api_key_validation_handler), Authorizer())

    gateway.RestApiGateway.__init__ = with_authorizers
    delete = APIGatewayBackend.delete_api_key

    def delete_everywhere(self, api_key_id):
        # A key that is gone is in no usage plan: here it would stay, and break the calls with it.
        for keys in self.usage_plan_keys.values():
            keys.pop(api_key_id, None)
        return delete(self, api_key_id)

    APIGatewayBackend.delete_api_key = delete_everywhere


class Authorizer(RestApiGatewayHandler):
    def __call__(self, chain, context, response):
        method = context.resource_method
        if method.get("authorizationType") != "CUSTOM":
            # Users' pools and signatures are not looked at here: the checks say so.
            return
        apis = connect_to(aws_access_key_id=context.account_id, region_name=context.region).apigateway
        authorizer = apis.get_authorizer(restApiId=context.api_id, authorizerId=method["authorizerId"])
        request = context.invocation_request
        for source in authorizer.get("identitySource", "").split(","):
            if not request["headers"].get(HEADER.fullmatch(source.strip())[1]):
                raise gateway_response.UnauthorizedError("Unauthorized")
        answer = self.ask(context, authorizer)
        statements = answer.get("policyDocument", {}).get("Statement", [])
        if not any(self.covers(s, context, "Allow") for s in statements) or any(self.covers(s, context, "Deny") for s in statements):
            raise gateway_response.AccessDeniedError("User is not authorized to access this resource")
        if not answer.get("principalId"):
            raise gateway_response.AuthorizerConfigurationError()
        variables = context.context_variables
        variables["authorizer"] = {k: v for k, v in answer.get("context", {}).items()} | {"principalId": answer["principalId"]}
        if "usageIdentifierKey" in answer:
            variables["identity"]["apiKey"] = answer["usageIdentifierKey"]

    def ask(self, context, authorizer):
        function = FUNCTION.search(authorizer["authorizerUri"])[1]
        client = connect_to(aws_access_key_id=context.account_id, region_name=context.region).lambda_
        answered = client.invoke(FunctionName=function, Payload=json.dumps(self.event(context)))
        answer = json.loads(answered["Payload"].read())
        if answered.get("FunctionError"):
            if answer.get("errorMessage") == "Unauthorized":
                raise gateway_response.UnauthorizedError("Unauthorized")
            raise gateway_response.AuthorizerFailureError()
        if not isinstance(answer, dict) or not isinstance(answer.get("policyDocument"), dict):
            raise gateway_response.AuthorizerConfigurationError()
        return answer

    def event(self, context):
        request, variables = context.invocation_request, context.context_variables
        return {
            "type": "REQUEST",
            "methodArn": self.arn(context),
            "resource": context.resource["path"],
            "path": request["path"],
            "httpMethod": request["http_method"],
            "headers": dict(request["headers"].items()),
            "multiValueHeaders": {name: request["headers"].getlist(name) for name in request["headers"].keys()},
            "queryStringParameters": request["query_string_parameters"],
            "multiValueQueryStringParameters": request["multi_value_query_string_parameters"],
            "pathParameters": request["path_parameters"],
            "stageVariables": context.stage_variables or {},
            "requestContext": {
                "accountId": context.account_id,
                "apiId": context.api_id,
                "resourceId": context.resource["id"],
                "resourcePath": context.resource["path"],
                "httpMethod": request["http_method"],
                "path": variables["path"],
                "stage": context.stage,
                "requestId": variables["requestId"],
                "identity": {"sourceIp": variables["identity"].get("sourceIp")},
            },
        }

    @staticmethod
    def arn(context):
        request = context.invocation_request
        return (f"arn:aws:execute-api:{context.region}:{context.account_id}:{context.api_id}/{context.stage}/"
                f"{request['http_method']}/{request['path'].lstrip('/')}")

    def covers(self, statement, context, effect):
        def as_list(value):
            return value if isinstance(value, list) else [value]

        return (statement.get("Effect") == effect
                and any(fnmatch.fnmatchcase("execute-api:Invoke", action) for action in as_list(statement.get("Action")))
                and any(fnmatch.fnmatchcase(self.arn(context), arn) for arn in as_list(statement.get("Resource"))))

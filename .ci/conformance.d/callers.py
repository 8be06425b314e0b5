"""Says where a template lets callers in who should stay out: in each of the choices that Authorization has."""

TOKEN_PATHS = {"/connect/token", "/oauth2/token"}
CHOICES = ("ApiKey", "Iam", "Cognito")
AUTHORIZER = {"Ref": "AuthorizerFunction"}
API_KEY = {"type": "apiKey", "name": "x-api-key", "in": "header"}
# choice: what each method asks for, but those that are open
WANTED = {
    "ApiKey": [{"caller": []}, {"api_key": []}],
    "Iam": [{"caller": []}],
    "Cognito": [{"caller": [{"Ref": "UserPoolScope"}]}],
}


def faults(choice, of_type, alias):
    apis = of_type("AWS::ApiGateway::RestApi")
    if len(apis) != 1:
        yield f"{choice}: the APIs are {sorted(apis)}"
    for name in ("AWS::ApiGatewayV2::Api", "AWS::Lambda::Url"):
        if of_type(name):
            yield f"{choice}: a {name} opens a way around the key"
    for api in apis.values():
        for fault in [*method_faults(choice, api["Body"], alias), *scheme_faults(choice, api)]:
            yield f"{choice}: {fault}"
    for fault in [*plan_faults(choice, of_type), *permission_faults(of_type, alias), *setting_faults(choice, of_type)]:
        yield f"{choice}: {fault}"


def method_faults(choice, body, alias):
    if "security" in body:
        yield "API Gateway does not read security at the root"
    open_to_all = set()
    for path, item in body["paths"].items():
        for method, operation in item.items():
            if not operation.get("security"):
                open_to_all.add((method, path))
            elif operation["security"] != WANTED[choice]:
                yield f"{method} {path} asks for {operation['security']}"
            if alias["Ref"] not in str(operation["x-amazon-apigateway-integration"]["uri"]):
                yield f"{method} {path} does not call the alias"
    expected = {("post", path) for path in TOKEN_PATHS} if choice == "ApiKey" else set()
    if open_to_all != expected:
        yield f"open to all: {sorted(open_to_all)}, want {sorted(expected)}"
    if "x-amazon-apigateway-any-method" not in body["paths"].get("/{proxy+}", {}):
        yield "no method for every path"


def scheme_faults(choice, api):
    schemes = api["Body"]["components"]["securitySchemes"]
    caller = schemes.get("caller", {})
    if (caller.get("type"), caller.get("name"), caller.get("in")) != ("apiKey", "Authorization", "header"):
        yield f"the caller is told by {caller}"
    kind, authorizer = caller.get("x-amazon-apigateway-authtype"), caller.get("x-amazon-apigateway-authorizer", {})
    if choice == "ApiKey":
        if schemes.get("api_key") != API_KEY or api.get("ApiKeySourceType") != "AUTHORIZER":
            yield "the key is not the authorizer's"
        if kind != "custom" or authorizer.get("type") != "request" or "AuthorizerFunction" not in str(authorizer.get("authorizerUri")):
            yield f"the authorizer is {authorizer}"
        if authorizer.get("identitySource") != "method.request.header.Authorization" or authorizer.get("authorizerResultTtlInSeconds") != 300:
            yield "answers are not cached by Authorization, for five minutes"
    elif choice == "Iam":
        if kind != "awsSigv4" or authorizer:
            yield f"requests need no signature but {kind}"
    elif kind != "cognito_user_pools" or authorizer != {"type": "cognito_user_pools", "providerARNs": [{"Ref": "UserPoolArn"}]}:
        yield f"tokens are not the user pool's: {authorizer}"
    response = api["Body"].get("x-amazon-apigateway-gateway-responses", {}).get("UNAUTHORIZED", {})
    challenge = response.get("responseParameters", {}).get("gatewayresponse.header.WWW-Authenticate", "")
    if response.get("statusCode") != "401" or not challenge.startswith("'Bearer realm="):
        yield "a 401 has no challenge"


def plan_faults(choice, of_type):
    plans, keys = of_type("AWS::ApiGateway::UsagePlan"), of_type("AWS::ApiGateway::UsagePlanKey")
    if (len(plans), len(keys)) != ((1, 1) if choice == "ApiKey" else (0, 0)):
        yield f"{len(plans)} usage plans with {len(keys)} keys"
    for plan in plans.values():
        if not {"RateLimit", "BurstLimit"} <= plan.get("Throttle", {}).keys():
            yield "keys are not throttled"
        if plan.get("Quota") != {"Limit": {"Ref": "MonthlyQuota"}, "Period": "MONTH"}:
            yield f"the quota is {plan.get('Quota')}"


def permission_faults(of_type, alias):
    for name, permission in of_type("AWS::Lambda::Permission").items():
        source = str(permission.get("SourceArn"))
        if permission["Principal"] != "apigateway.amazonaws.com" or ":execute-api:" not in source or "RelayApi" not in source:
            yield f"{name} lets in more than the API"
        elif permission["FunctionName"] == AUTHORIZER:
            if "${RelayApi}/authorizers/*" not in source:
                yield f"{name} lets in more than the API's authorizers"
        elif permission["FunctionName"] != alias:
            yield f"{name} allows more than the alias"


def setting_faults(choice, of_type):
    for name, stage in of_type("AWS::ApiGateway::Stage").items():
        throttled = {
            s["ResourcePath"].replace("/~1", "/").replace("~1", "/"): s
            for s in stage.get("MethodSettings", []) if "ThrottlingRateLimit" in s and "ThrottlingBurstLimit" in s
        }
        for path in {"/*"} | (TOKEN_PATHS if choice == "ApiKey" else set()):
            if path not in throttled:
                yield f"{path} of {name} is not throttled on its own"
        for path in throttled.keys() & TOKEN_PATHS:
            if throttled[path]["HttpMethod"] != "POST":
                yield f"{path} of {name} is throttled for {throttled[path]['HttpMethod']}"

"""Templates with one thing wrong, to see that the assertions notice."""

import copy
import re


def spoilt(template):
    """Yields each with the words that must be said about it."""
    def spoil(words, change, section="Resources"):
        wrong = copy.deepcopy(template)
        change(wrong[section])
        return words, wrong

    def statements(r, role="RelayRole"):
        return r[role]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]

    def secret(r):
        return r["SecretPolicy"]["Properties"]["PolicyDocument"]["Statement"]

    def properties(name, **changes):
        return lambda r: r[name]["Properties"].update(changes)

    def body(r):
        return r["RelayApi"]["Properties"]["DefinitionBody"]

    def proxy(r):
        return body(r)["paths"]["/{proxy+}"]["x-amazon-apigateway-any-method"]

    def token(r):
        return body(r)["paths"]["/oauth2/token"]["Fn::If"][1]

    def integration(r):
        return token(r)["post"]["x-amazon-apigateway-integration"]

    def dated(r, way, date):
        sub = integration(r)["uri"]["Fn::If"][way]["Fn::Sub"]
        sub[0] = re.sub(r"path/[0-9-]+/", f"path/{date}/", sub[0])

    def told(r):
        return r["RelayFunction"]["Properties"]["Environment"]["Variables"]

    def scheme(r, *way):
        found = body(r)["components"]["securitySchemes"]["caller"]
        for step in way:
            found = found["Fn::If"][step]
        return found

    def setting(r, index):
        return r["RelayApi"]["Properties"]["MethodSettings"][index]["Fn::If"][1]

    yield spoil("GetSecretValue on *", lambda r: secret(r)[0].update(Resource="*"))
    yield spoil("may secretsmanager:*", lambda r: secret(r)[0].update(Action="secretsmanager:*"))
    yield spoil("may not secretsmanager", lambda r: secret(r).pop(0))
    yield spoil("AuthorizerRole may secretsmanager", lambda r: statements(r, "AuthorizerRole").append(secret(r)[0]))
    yield spoil("the role is", lambda r: r["AuthorizerFunction"]["Properties"].update(Role=r["RelayFunction"]["Properties"]["Role"]))
    yield spoil("managed policies", properties("RelayRole", ManagedPolicyArns=["arn:aws:iam::aws:policy/ReadOnlyAccess"]))
    yield spoil("without Secrets Manager", lambda r: secret(r)[1]["Fn::If"][1].pop("Condition"))
    yield spoil("nobody has looked at", lambda r: r["SecretPolicy"]["Properties"].update(Roles=["other"]))
    yield spoil("AuthorizerRole may secretsmanager", lambda r: r["SecretPolicy"]["Properties"]["Roles"].append({"Ref": "AuthorizerRole"}))
    yield spoil("without KmsKeyArn", lambda r: secret(r).append(secret(r).pop(1)["Fn::If"][1]))

    yield spoil("ApiKey: open to all", lambda r: proxy(r).pop("security"))
    yield spoil("Iam: open to all", lambda r: proxy(r).update(security=[{"Fn::If": ["UsesApiKeys", {"caller": []}, {"Ref": "AWS::NoValue"}]}]))
    yield spoil("ApiKey: x-amazon-apigateway-any-method /{proxy+} asks for", lambda r: proxy(r)["security"].pop())
    yield spoil("Cognito: x-amazon-apigateway-any-method /{proxy+} asks for", lambda r: proxy(r)["security"][0].update(caller=[]))
    yield spoil("Iam: x-amazon-apigateway-any-method /{proxy+} asks for", lambda r: proxy(r)["security"].append({"api_key": []}))
    yield spoil("ApiKey: open to all", lambda r: token(r)["x-amazon-apigateway-any-method"].update(security=[]))
    yield spoil("ApiKey: open to all", lambda r: token(r)["post"].update(security=[{"caller": []}, {"api_key": []}]))
    yield spoil("Cognito: open to all", lambda r: body(r)["paths"].update({"/connect/token": token(r)}))
    yield spoil("no method for every path", lambda r: body(r)["paths"].pop("/{proxy+}"))
    yield spoil("does not call the alias", lambda r: integration(r).update(uri="arn:other"))
    yield spoil("security at the root", lambda r: body(r).update(security=[{"caller": []}]))
    yield spoil("the key is not the authorizer's", properties("RelayApi", ApiKeySourceType="HEADER"))
    yield spoil("the key is not the authorizer's", lambda r: body(r)["components"]["securitySchemes"]["api_key"].update(name="key"))
    yield spoil("the authorizer is", lambda r: scheme(r, 1)["x-amazon-apigateway-authorizer"].update(authorizerUri="arn:other"))
    yield spoil("cached by Authorization", lambda r: scheme(r, 1)["x-amazon-apigateway-authorizer"].pop("identitySource"))
    yield spoil("cached by Authorization", lambda r: scheme(r, 1)["x-amazon-apigateway-authorizer"].update(authorizerResultTtlInSeconds=0))
    yield spoil("not the user pool's", lambda r: scheme(r, 2, 1)["x-amazon-apigateway-authorizer"].update(providerARNs=[]))
    yield spoil("need no signature", lambda r: scheme(r, 2, 2).pop("x-amazon-apigateway-authtype"))
    yield spoil("told by", lambda r: scheme(r, 1).update(name="x-api-key"))
    yield spoil("no challenge", lambda r: body(r).pop("x-amazon-apigateway-gateway-responses"))
    yield spoil("would not reach the stage", lambda r: r["RelayApi"]["Properties"].pop("AlwaysDeploy"))
    yield spoil("usage plans", lambda r: r["RelayUsagePlanKey"].pop("Condition"))
    yield spoil("the quota is None", lambda r: r["RelayUsagePlan"]["Properties"].pop("Quota"))
    yield spoil("without MonthlyQuota", lambda r: r["RelayUsagePlan"]["Properties"].update(Quota=r["RelayUsagePlan"]["Properties"]["Quota"]["Fn::If"][1]))
    yield spoil("keys are not throttled", lambda r: r["RelayUsagePlan"]["Properties"].pop("Throttle"))
    yield spoil("more than the API's authorizers", lambda r: r["AuthorizerPermission"]["Properties"].update(SourceArn={"Fn::Sub": "arn:aws:execute-api:${RelayApi}/*"}))
    yield spoil("lets in more than the API", lambda r: r["AuthorizerPermission"]["Properties"].pop("SourceArn"))
    yield spoil("allows more than the alias", properties("AuthorizerPermission", FunctionName={"Ref": "RelayFunction"}))
    yield spoil("around the key", properties("RelayFunction", FunctionUrlConfig={"AuthType": "NONE"}))
    yield spoil("the authorizer is told", properties("AuthorizerFunction", Environment={"Variables": {"A": "b"}}))
    yield spoil("the functions are", lambda r: r["AuthorizerFunction"].pop("Condition"))

    yield spoil("Streaming=true: post /oauth2/token transfers by None", lambda r: integration(r).pop("responseTransferMode"))
    yield spoil("Streaming=true: post /oauth2/token transfers by BUFFERED", lambda r: integration(r)["responseTransferMode"]["Fn::If"].__setitem__(1, "BUFFERED"))
    yield spoil("Streaming=false: post /oauth2/token transfers by STREAM", lambda r: integration(r).update(responseTransferMode="STREAM"))
    yield spoil("Streaming=true: post /oauth2/token calls", lambda r: integration(r).update(uri=integration(r)["uri"]["Fn::If"][2]))
    yield spoil("Streaming=false: post /oauth2/token calls", lambda r: integration(r).update(uri=integration(r)["uri"]["Fn::If"][1]))
    yield spoil("path/2015-03-31/functions/${Alias}/response-streaming", lambda r: dated(r, 1, "2015-03-31"))
    yield spoil("path/2021-11-15/functions/${Alias}/invocations", lambda r: dated(r, 2, "2021-11-15"))
    yield spoil("Streaming=true: the function is told None", lambda r: told(r).pop("OMR_STREAMING"))
    yield spoil("Streaming=true: the function is told false", lambda r: told(r).update(OMR_STREAMING="false"))
    yield spoil("Streaming=false: the function is told true", lambda r: told(r).update(OMR_STREAMING="true"))
    yield spoil("Streaming=None: post /connect/token transfers by STREAM", lambda p: p["Streaming"].update(Default="true"), "Parameters")

    yield spoil("turns ['*/*'] into base64", properties("RelayApi", BinaryMediaTypes=["*/*"]))
    yield spoil("turns [] into base64", properties("RelayApi", BinaryMediaTypes=[]))
    yield spoil("for ever", lambda r: r["AccessLogs"]["Properties"].pop("RetentionInDays"))
    yield spoil("AuthorizerFunction logs to a group", lambda r: r["AuthorizerFunction"]["Properties"].pop("LoggingConfig"))
    yield spoil("RelayFunction logs to a group", lambda r: r["RelayFunction"]["Properties"].pop("LoggingConfig"))
    yield spoil("no access log", lambda r: r["RelayApi"]["Properties"].pop("AccessLogSetting"))
    yield spoil("logs requestOverride", lambda r: r["RelayApi"]["Properties"]["AccessLogSetting"]["Fn::If"][1].update(Format="$context.requestOverride.querystring.id"))
    yield spoil("/* of RelayApiStage is not throttled", lambda r: r["RelayApi"]["Properties"]["MethodSettings"].pop(0))
    yield spoil("/oauth2/token of RelayApiStage is not throttled", lambda r: r["RelayApi"]["Properties"]["MethodSettings"].pop())
    yield spoil("/connect/token of RelayApiStage is not throttled", lambda r: setting(r, 1).pop("ThrottlingBurstLimit"))
    yield spoil("is throttled for GET", lambda r: setting(r, 1).update(HttpMethod="GET"))
    yield spoil("execution logs", lambda r: setting(r, 5).update(LoggingLevel="INFO"))
    yield spoil("not target the alias", lambda r: r["WarmUp"]["Properties"]["Target"].update(Arn={"Ref": "RelayFunction"}))
    yield spoil("is retried", lambda r: r["WarmUp"]["Properties"]["Target"].pop("RetryPolicy"))
    yield spoil("the environment: OMR_TOKEN_URL is None", lambda r: told(r).pop("OMR_TOKEN_URL"))
    yield spoil("outlives", properties("RelayFunction", Timeout=30))

    def scans(r):
        return r["ScansBucket"]["Properties"]

    def refused(r):
        return r["ScansBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]

    def access(r):
        return r["ScansAccess"]["Properties"]["PolicyDocument"]["Statement"]

    def described(r, without):
        sub = r["RelayFunction"]["Properties"]["VersionDescription"]["Fn::Sub"]
        sub[0] = sub[0].replace(without, "")

    yield spoil("Scans=none, AllowOrigin=: it makes", lambda r: r["ScansBucket"].pop("Condition"))
    yield spoil("Scans=None, AllowOrigin=: it makes", lambda p: p["Scans"].update(Default="create"), "Parameters")
    yield spoil("PublicAccessBlockConfiguration is", lambda r: scans(r)["PublicAccessBlockConfiguration"].pop("BlockPublicPolicy"))
    yield spoil("OwnershipControls is None", lambda r: scans(r).pop("OwnershipControls"))
    yield spoil("BucketEncryption is None", lambda r: scans(r).pop("BucketEncryption"))
    yield spoil("LifecycleConfiguration is", lambda r: scans(r)["LifecycleConfiguration"]["Rules"][0].update(Prefix="upload/"))
    yield spoil("WebsiteConfiguration is", lambda r: scans(r).update(WebsiteConfiguration={"IndexDocument": "index.html"}))
    yield spoil("BucketName is", lambda r: scans(r).update(BucketName="scans"))
    yield spoil("AllowOrigin=: CorsConfiguration is", lambda r: scans(r).update(CorsConfiguration=scans(r)["CorsConfiguration"]["Fn::If"][1]))
    yield spoil("AllowOrigin=https://portal.example: CorsConfiguration is", lambda r: scans(r).pop("CorsConfiguration"))
    yield spoil("not refused: {'NumericLessThan'", lambda r: refused(r).pop())
    yield spoil("the bucket's policy has", lambda r: refused(r)[0].update(Effect="Allow"))
    yield spoil("the bucket's policy has", lambda r: refused(r)[1]["Resource"].pop())
    yield spoil("refused are", lambda r: refused(r).append(refused(r)[0]))
    yield spoil("the policy is that of", properties("ScansBucketPolicy", Bucket="another"))
    yield spoil("ScansBucket: DeletionPolicy is", lambda r: r["ScansBucket"].update(DeletionPolicy="Delete"))
    yield spoil("ScansBucketPolicy: DeletionPolicy is", lambda r: r["ScansBucketPolicy"].pop("DeletionPolicy"))
    yield spoil("speaks of s3 without a bucket", lambda r: statements(r).append(access(r)[0]))
    yield spoil("before the bucket refuses", lambda r: r["ScansAccess"].pop("DependsOn"))
    yield spoil("may be live before it has access", lambda r: described(r, "${Access}"))
    yield spoil("RelayRole may s3:DeleteObject", lambda r: access(r)[0]["Action"].append("s3:DeleteObject"))
    yield spoil("RelayRole may s3:GetObject", lambda r: access(r)[0]["Resource"].append({"Fn::Sub": "${ScansBucket.Arn}/*"}))
    yield spoil("RelayRole may not s3:ListBucket", lambda r: access(r).pop(1))
    yield spoil("the outputs are", lambda o: o["ScansBucketName"].pop("Condition"), "Outputs")

    def step(r):
        return r["BatchFunction"]["Properties"]

    def machine(r):
        return r["BatchStateMachine"]["Properties"]

    yield spoil("Scans=none, AllowOrigin=: it makes", lambda r: r["BatchLogs"].pop("Condition"))
    yield spoil("speaks of states without a bucket", lambda r: statements(r).append(access(r)[4]))
    yield spoil("the function is told OMR_STATE_MACHINE={'Fn::Sub'", lambda r: told(r).update(OMR_STATE_MACHINE={"Fn::Sub": "${AWS::StackName}"}))
    yield spoil("the function is told OMR_STATE_MACHINE={'Ref'", lambda r: told(r).update(OMR_STATE_MACHINE={"Ref": "BatchStateMachine"}))
    yield spoil("the functions are", lambda r: r.update(Other=r["BatchFunction"]))
    yield spoil("the role is", lambda r: machine(r).update(Role=step(r)["Role"]))
    yield spoil("the roles are", lambda r: machine(r).pop("Role"))
    yield spoil("BatchRole may not kms:Decrypt", lambda r: r["SecretPolicy"]["Properties"]["Roles"].pop())
    yield spoil("BatchRole may not s3:DeleteObject", lambda r: statements(r, "BatchRole")[3]["Resource"].pop())
    yield spoil("BatchRole may s3:DeleteObject", lambda r: statements(r, "BatchRole")[3]["Resource"].append({"Fn::Sub": "${ScansBucket.Arn}/uploads/*"}))
    yield spoil("BatchRole may states:StartExecution", lambda r: statements(r, "BatchRole")[5].update(Action=["states:ListExecutions", "states:StartExecution"]))
    yield spoil("BatchRole may s3:GetObject under a condition", lambda r: statements(r, "BatchRole")[2].update(Condition={}))
    yield spoil("BatchMachineRole may lambda:InvokeFunction on *", lambda r: statements(r, "BatchMachineRole")[0].update(Resource="*"))
    yield spoil("BatchMachineRole may not states:StopExecution", lambda r: statements(r, "BatchMachineRole")[4]["Resource"].pop())
    yield spoil("BatchMachineRole can be used", lambda r: r["BatchMachineRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"][0].pop("Condition"))
    yield spoil("BatchMachineRole has access before", lambda r: r["BatchMachineRole"].pop("DependsOn"))
    yield spoil("told of a secret before", lambda r: r["BatchFunction"].pop("DependsOn"))
    yield spoil("DefinitionSubstitutions is", lambda r: machine(r)["DefinitionSubstitutions"].pop("ScansBucket"))
    yield spoil("StateMachineType is EXPRESS", lambda r: machine(r).update(Type="EXPRESS"))
    yield spoil("LoggingConfiguration is", lambda r: machine(r).update(Logging={"Level": "ALL", "IncludeExecutionData": True}))
    yield spoil("OMR_MAX_SHEETS is", lambda r: step(r)["Environment"]["Variables"].pop("OMR_MAX_SHEETS"))
    yield spoil("Timeout is 25", lambda r: step(r).update(Timeout=25))
    yield spoil("lets somebody else call the steps", lambda r: step(r).update(FunctionUrlConfig={"AuthType": "AWS_IAM"}))
    yield spoil("MaxSheets is for Scans=create alone", lambda r: r.pop("BatchesNeedABucket"), "Rules")

    for parameter in ("Architecture", "MemorySize", "LogLevel", "Streaming", "WarmUpMinutes", "AllowOrigin", "MaxUploadMegabytes", "MaxSheets"):
        yield spoil(f"{parameter} does not reach", lambda r, p=parameter: described(r, f"${{{p}}}"))
    yield spoil("SecretArn does not reach", lambda r: described(r, "${SecretPolicy.PolicyId}"))
    yield spoil("Scans does not reach", lambda r: described(r, "${Access}"))
    yield spoil("another bucket does not reach", lambda r: r["ScansAccess"]["Properties"].pop("Description"))
    yield spoil("BaseUrl does not reach", lambda r: r["SecretPolicy"]["Properties"].pop("Description"))
    yield spoil("TokenUrl does not reach", lambda r: r["RelayFunction"]["Properties"].pop("VersionDescription"))
    yield spoil("ThrottleRate fails to deploy", lambda r: r["RelayFunction"]["Properties"].update(VersionDescription={"Fn::Sub": "${ThrottleRate}"}))
    yield spoil("the way back", lambda r: r["RelayFunction"].pop("UpdateReplacePolicy"))
    yield spoil("may be of any length", lambda p: p["BaseUrl"].pop("MaxLength"), "Parameters")
    yield spoil("more than 1000", lambda p: p["BaseUrl"].update(MaxLength=2000), "Parameters")
    yield spoil("versions.py does not know New", lambda p: p.update(New={"Type": "String", "Default": ""}), "Parameters")

"""Says where the API and the function disagree on how answers travel: in the streaming format or whole."""

# what Streaming is set to, or None for its default: whether answers are streamed
SETTINGS = {None: False, "false": False, "true": True}
# whether answers are streamed: the Lambda call that API Gateway makes, its version and its name
CALLS = {False: ("2015-03-31", "invocations"), True: ("2021-11-15", "response-streaming-invocations")}


def faults(setting, of_type, alias):
    streamed = SETTINGS[setting]
    mode, (date, call) = "STREAM" if streamed else None, CALLS[streamed]
    prefix = "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path"
    uri = {"Fn::Sub": [f"{prefix}/{date}/functions/${{Alias}}/{call}", {"Alias": alias}]}
    for api in of_type("AWS::ApiGateway::RestApi").values():
        for path, item in api["Body"]["paths"].items():
            for method, operation in item.items():
                integration = operation["x-amazon-apigateway-integration"]
                if integration.get("responseTransferMode") != mode:
                    yield f"Streaming={setting}: {method} {path} transfers by {integration.get('responseTransferMode')}"
                if integration["uri"] != uri:
                    yield f"Streaming={setting}: {method} {path} calls {integration['uri']}"
    told = of_type("AWS::Lambda::Function")["RelayFunction"]["Environment"]["Variables"].get("OMR_STREAMING")
    if told not in ({"Ref": "Streaming"}, setting or "false"):
        yield f"Streaming={setting}: the function is told {told}"

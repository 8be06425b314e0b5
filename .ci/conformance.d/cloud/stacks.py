"""Makes CloudFormation as strict with the template and its parameters as AWS's, and as able.

LocalStack evaluates a template in search of macros before the transform, and turns away references such as
Function.Alias that only the transform makes sense of; it fails on what resources refer to that their conditions
leave out; it knows neither Rules nor the constraints of parameters.
"""

import json

import conditions
from localstack.services.cloudformation.engine.v2.change_set_model_transform import ChangeSetModelTransform
from localstack.services.cloudformation.engine.validations import ValidationError


def install():
    ChangeSetModelTransform._execute_local_transforms = no_macros
    transform = ChangeSetModelTransform._apply_global_serverless_transformation

    def strictly(region_name, template, parameters):
        parameters = {name: str(value) for name, value in parameters.items()}
        if refused := list(conditions.refusals(template, parameters)):
            raise ValidationError("; ".join(refused))
        made = transform(region_name, template, parameters)
        chosen = conditions.Conditions(made, parameters)
        return {k: v for k, v in made.items() if k not in ("Conditions", "Rules")} | {
            "Resources": chosen.section(made, "Resources"), "Outputs": chosen.section(made, "Outputs")}

    ChangeSetModelTransform._apply_global_serverless_transformation = staticmethod(strictly)


def no_macros(self):
    if "Fn::Transform" in json.dumps(self._after_template, default=str):
        raise NotImplementedError("a macro inside the template")

"""Makes CloudFormation as strict with the template and its parameters as AWS's, and as able.

LocalStack evaluates a template in search of macros before the transform, and turns away references such as
Function.Alias that only the transform makes sense of; it fails on what resources refer to that their conditions
leave out; it knows neither Rules nor the constraints of parameters; and it goes round for ever where a function names the
alarms that its deployment heeds, and the alarms the function, which the transform takes apart.
"""

import json
import types

import conditions
from localstack.services.cloudformation.engine.v2.change_set_model import ChangeSetModel, ChangeType
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
    visit = ChangeSetModel._retrieve_or_visit_resource

    def visit_once(self, resource_name):
        under_way = self.__dict__.setdefault("_under_way", set())
        if resource_name in under_way:
            return types.SimpleNamespace(change_type=ChangeType.UNCHANGED, properties=types.SimpleNamespace(properties=[]))
        under_way.add(resource_name)
        try:
            return visit(self, resource_name)
        finally:
            under_way.discard(resource_name)

    ChangeSetModel._retrieve_or_visit_resource = visit_once
    # What a parameter finds in a mapping, the transform puts in its place.
    ChangeSetModel._resolve_intrinsic_function_fn_find_in_map = lambda _, arguments: arguments.change_type


def no_macros(self):
    if "Fn::Transform" in json.dumps(self._after_template, default=str):
        raise NotImplementedError("a macro inside the template")

"""Makes buckets as CloudFormation does, as far as this template needs it: LocalStack sets their CORS and nothing else."""

from localstack.services.s3.resource_providers.aws_s3_bucket import S3BucketProvider


def install():
    create = S3BucketProvider.create

    def create_whole(self, request):
        # Else anybody may read it there.
        request.desired_state.setdefault("AccessControl", "Private")
        event = create(self, request)
        set_up(request.aws_client_factory.s3, event.resource_model)
        return event

    S3BucketProvider.create = create_whole


def set_up(s3, model):
    name = model["BucketName"]
    if block := model.get("PublicAccessBlockConfiguration"):
        s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=block)
    if controls := model.get("OwnershipControls"):
        s3.put_bucket_ownership_controls(Bucket=name, OwnershipControls=controls)
    if encryption := model.get("BucketEncryption"):
        s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": [
            {"ApplyServerSideEncryptionByDefault": rule["ServerSideEncryptionByDefault"]}
            for rule in encryption["ServerSideEncryptionConfiguration"]]})
    if lifecycle := model.get("LifecycleConfiguration"):
        s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": list(map(lifecycle_rule, lifecycle["Rules"]))})


def lifecycle_rule(rule):
    made = {"ID": rule["Id"], "Status": rule["Status"], "Filter": {"Prefix": rule.get("Prefix", "")}}
    if days := rule.get("ExpirationInDays"):
        made["Expiration"] = {"Days": int(days)}
    if abort := rule.get("AbortIncompleteMultipartUpload"):
        made["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": int(abort["DaysAfterInitiation"])}
    return made

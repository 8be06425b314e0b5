template_validate() {
  local env
  for env in default dev prod; do
    sam validate --lint --config-env "$env"
  done
}

template_cfn_lint() {
  "$CACHE/venv-sam/bin/cfn-lint" --include-checks I W E --configure-rule E3012:strict=true -- template.yaml
  # SAM decides by the value whether deployments go in steps, and a linter has defaults alone.
  local stepwise=$WORK/stepwise.yaml
  sed -E '/^  Deployment:$/,/^    Default: /s/^    Default: AllAtOnce$/    Default: Canary10Percent5Minutes/' template.yaml >"$stepwise"
  grep -q '^    Default: Canary10Percent5Minutes$' "$stepwise"
  "$CACHE/venv-sam/bin/cfn-lint" --include-checks I W E --configure-rule E3012:strict=true -- "$stepwise"
}

# template_checkov: as it stands, and with what is only made when asked for: checkov looks at nothing else.
template_checkov() {
  local report file all=$WORK/checkov/template.yaml
  mkdir -p "${all%/*}"
  sed -E -e '/^  (Scans|ApiGatewayLogRole):$/,/^    Default: /s/^    Default: none$/    Default: create/' \
    -e '/^  AlarmEmail:$/,/^    Default: /s/^    Default: ""$/    Default: on-call@school.example/' \
    -e '/^  Deployment:$/,/^    Default: /s/^    Default: AllAtOnce$/    Default: Canary10Percent5Minutes/' template.yaml >"$all"
  for file in template.yaml "$all"; do
    report=$("$CACHE/venv-checkov/bin/checkov" -f "$file" --framework cloudformation --skip-download --compact) || {
      echo "$report"
      return 1
    }
    grep -E '^Passed checks: [1-9][0-9]+, Failed checks: 0' <<<"$report"
  done
  grep -q 'PASSED for resource: AWS::S3::Bucket.ScansBucket' <<<"$report"
  grep -q 'SKIPPED for resource: AWS::SNS::Topic.AlarmTopic' <<<"$report"
}

template_assert() { "$CACHE/venv-sam/bin/python" "$PARTS/template.py" template.yaml; }

template_assert_self_test() { "$CACHE/venv-sam/bin/python" "$PARTS/template.py" --self-test template.yaml; }

template_mutants() { "$CACHE/venv-sam/bin/python" "$PARTS/mutants.py" template.yaml .ci/mutants.diff; }

template_definition() {
  "$CACHE/venv-sam/bin/python" "$PARTS/definition.py" "$@" statemachine/batch.asl.json template.yaml "$CACHE/venv-statelint/bin/statelint"
}

# What the function logs on a day of faults, as CloudWatch would read it.
template_alarms() {
  .ci/dashboard "$WORK/dashboard.svg"
  grep -q '</svg>' "$WORK/dashboard.svg"
}

template_environments() { "$CACHE/venv-sam/bin/python" "$PARTS/environments.py" template.yaml; }

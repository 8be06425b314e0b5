template_validate() {
  local env
  for env in default dev prod; do
    sam validate --lint --config-env "$env"
  done
}

template_cfn_lint() {
  "$CACHE/venv-sam/bin/cfn-lint" --include-checks I W E --configure-rule E3012:strict=true -- template.yaml
}

# template_checkov: as it stands, and with what is only made when asked for: checkov looks at nothing else.
template_checkov() {
  local report file all=$WORK/checkov/template.yaml
  mkdir -p "${all%/*}"
  sed -E '/^  (Scans|ApiGatewayLogRole):$/,/^    Default: /s/^    Default: none$/    Default: create/' template.yaml >"$all"
  for file in template.yaml "$all"; do
    report=$("$CACHE/venv-checkov/bin/checkov" -f "$file" --framework cloudformation --skip-download --compact) || {
      echo "$report"
      return 1
    }
    grep -E '^Passed checks: [1-9][0-9]+, Failed checks: 0' <<<"$report"
  done
  grep -q 'PASSED for resource: AWS::S3::Bucket.ScansBucket' <<<"$report"
}

template_assert() { "$CACHE/venv-sam/bin/python" "$PARTS/template.py" template.yaml; }

template_assert_self_test() { "$CACHE/venv-sam/bin/python" "$PARTS/template.py" --self-test template.yaml; }

template_mutants() { "$CACHE/venv-sam/bin/python" "$PARTS/mutants.py" template.yaml .ci/mutants.diff; }

template_definition() {
  "$CACHE/venv-sam/bin/python" "$PARTS/definition.py" "$@" statemachine/batch.asl.json template.yaml "$CACHE/venv-statelint/bin/statelint"
}

template_environments() { "$CACHE/venv-sam/bin/python" "$PARTS/environments.py" template.yaml; }

package sandbox

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// postPolicy says which forms its signer lets in.
type postPolicy struct {
	expiration time.Time
	conditions []postCondition
	size       sizeRange
}

// postCondition is one of "eq" and "starts-with". The names of fields are in
// lower case.
type postCondition struct {
	operator, name, value string
	text                  string // as S3 repeats it
}

// sizeRange is a policy's content-length-range, which counts the file alone.
type sizeRange struct{ smallest, largest int64 }

func (s sizeRange) largestText() string { return strconv.FormatInt(s.largest, 10) }

func (s sizeRange) tooSmall(proposed int64) *s3Fault {
	f := &s3Fault{status: http.StatusBadRequest, code: "EntityTooSmall", message: "Your proposed upload is smaller than the minimum allowed size"}
	return f.with("ProposedSize", strconv.FormatInt(proposed, 10)).with("MinSizeAllowed", strconv.FormatInt(s.smallest, 10))
}

func invalidPolicy(why string) *s3Fault {
	return &s3Fault{status: http.StatusBadRequest, code: "InvalidPolicyDocument", message: "Invalid Policy: " + why}
}

// parsePolicy takes nothing that S3 would not: a condition that was skipped
// would be one that does not hold there.
func parsePolicy(encoded string) (postPolicy, *s3Fault) {
	policy := postPolicy{size: sizeRange{largest: maxS3Object}}
	document, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return policy, invalidPolicy("Invalid Base64.")
	}
	var in struct {
		Expiration string
		Conditions []json.RawMessage
	}
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&in); err != nil || decoder.More() || in.Conditions == nil {
		return policy, invalidPolicy("Invalid JSON.")
	}
	policy.expiration, err = time.Parse("2006-01-02T15:04:05Z", in.Expiration) // with or without a fraction
	if err != nil {
		return policy, invalidPolicy("Invalid 'expiration' value: '" + in.Expiration + "'")
	}
	for _, raw := range in.Conditions {
		if fault := policy.add(raw); fault != nil {
			return policy, fault
		}
	}
	return policy, nil
}

// add reads {"name": "value"}, ["eq" or "starts-with", "$name", "value"] or
// ["content-length-range", smallest, largest].
func (p *postPolicy) add(raw json.RawMessage) *s3Fault {
	var simple map[string]string
	if json.Unmarshal(raw, &simple) == nil {
		if len(simple) != 1 {
			return invalidPolicy("Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.")
		}
		for name, value := range simple {
			p.conditions = append(p.conditions, newCondition("eq", name, value))
		}
		return nil
	}
	var parts []json.RawMessage
	var operator string
	if json.Unmarshal(raw, &parts) != nil || len(parts) != 3 || json.Unmarshal(parts[0], &operator) != nil {
		return invalidPolicy("Invalid Condition: " + string(raw))
	}
	if operator == "content-length-range" {
		var smallest, largest int64
		if json.Unmarshal(parts[1], &smallest) != nil || json.Unmarshal(parts[2], &largest) != nil || smallest < 0 || largest < smallest {
			return invalidPolicy("Invalid content-length-range: " + string(raw))
		}
		p.size = sizeRange{max(p.size.smallest, smallest), min(p.size.largest, largest)}
		return nil
	}
	var name, value string
	if json.Unmarshal(parts[1], &name) != nil || json.Unmarshal(parts[2], &value) != nil ||
		!strings.HasPrefix(name, "$") || operator != "eq" && operator != "starts-with" {
		return invalidPolicy("Invalid Condition: " + string(raw))
	}
	p.conditions = append(p.conditions, newCondition(operator, name[1:], value))
	return nil
}

func newCondition(operator, name, value string) postCondition {
	text := `["` + operator + `", "$` + name + `", "` + value + `"]`
	return postCondition{operator, strings.ToLower(name), value, text}
}

// check refuses a form that the policy does not let in, or that has a field of
// which the policy says nothing.
func (p *postPolicy) check(fields map[string]string, bucket string, now time.Time) *s3Fault {
	denied := func(why string) *s3Fault { return accessDenied("Invalid according to Policy: " + why) }
	if !now.Before(p.expiration) {
		return denied("Policy expired.")
	}
	values := maps.Clone(fields)
	values["bucket"] = bucket // the URL's; forms need not have it
	covered := map[string]bool{"policy": true, "x-amz-signature": true}
	for _, c := range p.conditions {
		covered[c.name] = true
		if value, ok := values[c.name]; !ok || !c.holds(value) {
			return denied("Policy Condition failed: " + c.text)
		}
	}
	var extra []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !covered[name] && !strings.HasPrefix(name, "x-ignore-") {
			extra = append(extra, name)
		}
	}
	if extra != nil {
		return denied("Extra input fields: " + strings.Join(extra, ", "))
	}
	return nil
}

func (c postCondition) holds(value string) bool {
	if c.operator == "eq" {
		return value == c.value
	}
	if c.name != "content-type" {
		return strings.HasPrefix(value, c.value)
	}
	for mediaType := range strings.SplitSeq(value, ",") { // a list, of which each has to
		if !strings.HasPrefix(strings.TrimSpace(mediaType), c.value) {
			return false
		}
	}
	return true
}

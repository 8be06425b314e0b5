package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"omr-relay/internal/jsonscan"
)

// members are the raw values of the event's top-level members.
type members map[string][]byte

// has reports whether the member is there and not null.
func (m members) has(name string) bool { return !null(m[name]) }

func null(value []byte) bool { return len(value) == 0 || string(value) == "null" }

// text returns a string member, or "" if it is none.
func (m members) text(name string) string {
	return textOf(m[name])
}

// flag returns a member that is true or false. Tools that make events by hand
// write it as a text, too; to take that for false would send base64 on as it is.
func (m members) flag(name string) (bool, error) {
	switch value := string(m[name]); value {
	case "", "null", "false", `"false"`, `""`:
		return false, nil
	case "true", `"true"`:
		return true, nil
	default:
		return false, errMember(name)
	}
}

// each calls yield with the members of the object that the member is. One that
// is missing or null has none, and a member that is null is none.
func (m members) each(name string, yield func(name string, value []byte) error) error {
	if !m.has(name) {
		return nil
	}
	err := jsonscan.Object(m[name], func(name string, value []byte) error {
		if null(value) {
			return nil
		}
		return yield(name, value)
	})
	if err != nil {
		return errMember(name)
	}
	return nil
}

// values calls yield with the names and values that an event has in two
// members: multi with a list for each name, and single with one value. multi
// counts unless it has no value at all, however that is said: events that
// are not API Gateway's own fill one of the two.
func (m members) values(multi, single string, yield func(name, value string)) error {
	counts := false
	err := m.each(multi, func(name string, list []byte) error {
		return jsonscan.Array(list, func(element []byte) error {
			if null(element) {
				return nil
			}
			one, err := jsonscan.Unquote(element)
			if err == nil {
				counts = true
				yield(name, string(one))
			}
			return err
		})
	})
	if err != nil || counts {
		return err
	}
	return m.singles(single, yield)
}

// singles calls yield with the members, all texts, of the object that the member is.
func (m members) singles(name string, yield func(name, value string)) error {
	return m.each(name, func(name string, value []byte) error {
		one, err := jsonscan.Unquote(value)
		if err == nil {
			yield(name, string(one))
		}
		return err
	})
}

// texts returns the texts of the members of the object that the member is.
func (m members) texts(name string) (map[string]string, error) {
	all := map[string]string{}
	err := m.singles(name, func(name, value string) { all[name] = value })
	return all, err
}

// errMember stands for the decoder's own error, which can quote the value.
func errMember(name string) error {
	return fmt.Errorf("its member %q is not of the documented form", name)
}

// member names one of an object's members, and where its raw value goes.
type member struct {
	name string
	into *[]byte
}

// pick finds members of an object, in one go. What is not there, or null, or no
// object, leaves everything as it is. Its error is for what must be an object; of
// what only the log wants it is dropped, for that must not decide over a call.
func pick(object []byte, wanted ...member) error {
	return jsonscan.Object(object, func(name string, value []byte) error {
		for _, m := range wanted {
			if m.name == name && !null(value) {
				*m.into = value
			}
		}
		return nil
	})
}

// pick is the function of that name on a member that is an object, if it is there.
func (m members) pick(name string, wanted ...member) error {
	if !m.has(name) {
		return nil
	}
	if pick(m[name], wanted...) != nil {
		return errMember(name)
	}
	return nil
}

// textOf returns the text of a raw string, or "" of anything else.
func textOf(raw []byte) string {
	text, _ := jsonscan.Unquote(raw)
	return string(text)
}

// describe names an event that is none of ours by its source, or else by the
// names of its members.
func (m members) describe() string {
	if source := m.recordsSource(); plainName(source) {
		return "records of " + source
	}
	if source, detail := m.text("source"), m.text("detail-type"); plainName(source) && plainName(detail) {
		return fmt.Sprintf("an EventBridge event %q of %s", detail, source)
	}
	if m.has("requestContext") {
		return "an event with a requestContext that is of neither a REST API, an HTTP API nor a function URL"
	}
	var names []string
	for name := range m {
		if plainName(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return fmt.Sprintf("a JSON object with the members [%s]", strings.Join(names[:min(len(names), 8)], " "))
}

// recordsSource is where the first of the event's records comes from; SNS
// writes the name with a capital.
func (m members) recordsSource() (source string) {
	first := errors.New("the first will do")
	_ = jsonscan.Array(m["Records"], func(record []byte) error {
		var raw []byte
		_ = pick(record, member{"eventSource", &raw}, member{"EventSource", &raw})
		source = textOf(raw)
		return first
	})
	return source
}

func describeJSON(payload []byte, err error) string {
	if errors.Is(err, jsonscan.ErrNotObject) && json.Valid(payload) {
		switch bytes.TrimSpace(payload)[0] {
		case '[':
			return "a JSON array"
		case '"':
			return "a JSON string"
		default:
			return "a JSON literal"
		}
	}
	return fmt.Sprintf("%d bytes that are not well-formed JSON", len(payload))
}

// plainName keeps what an event calls itself out of the log unless it looks
// like a name.
func plainName(s string) bool {
	return s != "" && len(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool {
		return !alphanumeric(r) && !strings.ContainsRune(" .:_-", r)
	})
}

func alphanumeric(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

package handler

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"omr-relay/internal/jsonscan"
)

// members are the raw values of the event's top-level members.
type members map[string][]byte

// has reports whether the member is there and not null.
func (m members) has(name string) bool {
	return len(m[name]) > 0 && string(m[name]) != "null"
}

// text returns a string member, or "" if it is none.
func (m members) text(name string) string {
	text, err := jsonscan.Unquote(m[name])
	if err != nil {
		return ""
	}
	return string(text)
}

// decode reads the member into v unless it is missing or null.
func (m members) decode(name string, v any) error {
	if !m.has(name) {
		return nil
	}
	if json.Unmarshal(m[name], v) != nil {
		return errMember(name)
	}
	return nil
}

// each calls yield with the members of the object that the member is. One that
// is missing or null has none.
func (m members) each(name string, yield func(name string, value []byte) error) error {
	if !m.has(name) {
		return nil
	}
	if jsonscan.Object(m[name], yield) != nil {
		return errMember(name)
	}
	return nil
}

// texts returns the texts of the members of the object that the member is.
func (m members) texts(name string) (map[string]string, error) {
	all := map[string]string{}
	err := m.each(name, func(name string, value []byte) (err error) {
		all[name], err = text(value)
		return err
	})
	return all, err
}

// errMember stands for the decoder's own error, which can quote the value.
func errMember(name string) error {
	return fmt.Errorf("its member %q is not of the documented form", name)
}

// text returns the text of a string, or "" for null.
func text(value []byte) (string, error) {
	if string(value) == "null" {
		return "", nil
	}
	plain, err := jsonscan.Unquote(value)
	return string(plain), err
}

// texts returns those of an array of them, or nothing for null.
func texts(value []byte) (all []string, err error) {
	if string(value) == "null" {
		return nil, nil
	}
	err = jsonscan.Array(value, func(element []byte) error {
		one, err := text(element)
		all = append(all, one)
		return err
	})
	return all, err
}

// describe names an event that is none of ours by its source, or else by the
// names of its members.
func (m members) describe() string {
	var records []struct {
		EventSource string `json:"eventSource"` // SNS writes EventSource, which encoding/json takes too
	}
	if m.decode("Records", &records) == nil && len(records) > 0 {
		if source := records[0].EventSource; plainName(source) {
			return "records of " + source
		}
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

// plainName keeps what an event calls itself out of the log unless it looks
// like a name.
func plainName(s string) bool {
	return s != "" && len(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool {
		alnum := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !alnum && !strings.ContainsRune(" .:_-", r)
	})
}

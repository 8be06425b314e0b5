package recognize

import (
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"omr-relay/internal/omr"
)

// severalPrefix begins the id of several tasks. It has the version of the
// encoding; no task's own id has a tilde.
const severalPrefix = "1~"

// What each task of an encoded id begins with. Reasons come after, by their
// place in their list.
const (
	tagGUID     = iota // 16 bytes
	tagText            // a length and so many bytes
	firstReason = 16
)

var formats = []omr.Format{omr.CSV, omr.JSON, omr.XML}

// identify returns the id of the tasks: one task's own; of several, all of them
// and the format of their table, for nothing is stored. Names are not in it: an
// id stands in logs.
func identify(tasks []*task, format omr.Format) string {
	if len(tasks) == 1 {
		return tasks[0].id
	}
	out := []byte{byte(slices.Index(formats, format)), byte(len(tasks))}
	for _, t := range tasks {
		guid, ok := parseGUID(t.id)
		switch {
		case t.id == "":
			out = append(out, byte(firstReason+slices.Index(reasons, t.reason)))
		case ok:
			out = append(append(out, tagGUID), guid...)
		default:
			out = append(append(out, tagText, byte(len(t.id))), t.id...)
		}
	}
	return severalPrefix + base64.RawURLEncoding.EncodeToString(out)
}

// tasksOf returns the tasks of an id, numbered from 1. What cannot be an id is a
// task that does not exist.
func tasksOf(id string) ([]*task, omr.Format, error) {
	if omr.ValidID(id) {
		return []*task{{id: id}}, "", nil
	}
	encoded, ok := strings.CutPrefix(id, severalPrefix)
	raw, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if !ok || err != nil || len(raw) < 2 || int(raw[0]) >= len(formats) || raw[1] < 2 || raw[1] > MaxImages {
		return nil, "", errGone()
	}
	format, count, raw := formats[raw[0]], int(raw[1]), raw[2:]
	tasks := make([]*task, count)
	for i := range tasks {
		t := &task{name: strconv.Itoa(i + 1)}
		if raw, ok = t.decode(raw); !ok {
			return nil, "", errGone()
		}
		tasks[i] = t
	}
	if len(raw) > 0 {
		return nil, "", errGone()
	}
	return tasks, format, nil
}

// decode reads the task that raw begins with.
func (t *task) decode(raw []byte) (rest []byte, ok bool) {
	if len(raw) == 0 {
		return nil, false
	}
	tag, rest := raw[0], raw[1:]
	var size int
	switch {
	case tag == tagGUID:
		size = 16
	case tag == tagText && len(rest) > 0:
		size, rest = int(rest[0]), rest[1:]
	case tag >= firstReason && int(tag)-firstReason < len(reasons):
		t.reason = reasons[tag-firstReason]
		return rest, true
	default:
		return nil, false
	}
	if len(rest) < size {
		return nil, false
	}
	t.id = string(rest[:size])
	if tag == tagGUID {
		t.id = formatGUID(rest[:size])
	}
	return rest[size:], omr.ValidID(t.id)
}

// parseGUID takes the form that formatGUID writes, and no other.
func parseGUID(id string) ([]byte, bool) {
	raw, err := hex.DecodeString(strings.ReplaceAll(id, "-", ""))
	return raw, err == nil && len(raw) == 16 && formatGUID(raw) == id
}

func formatGUID(raw []byte) string {
	digits := hex.EncodeToString(raw)
	return strings.Join([]string{digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]}, "-")
}

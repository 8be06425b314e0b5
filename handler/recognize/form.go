package recognize

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"omr-relay/handler/gateway"
	"omr-relay/handler/input"
	"omr-relay/internal/jsonscan"
	"omr-relay/internal/omr"
	"omr-relay/internal/problem"
)

// form is what a generation needs.
type form struct {
	markup   file
	images   []file
	settings []byte // a JSON object; nil is none

	chosen map[string]any // settings that came as fields, or in the query
}

// The names of its fields, as problems give them.
const (
	fieldMarkup   = "markup"
	fieldSettings = "settings"
)

// setting is one of the upstream's, with the values that its documentation has,
// where it has them all.
type setting struct {
	name   string
	number bool
	values []string
}

var settings = []setting{
	{name: "fontFamily"},
	{name: "fontStyle", values: []string{"Regular", "Bold", "Italic", "Underline", "Strikeout"}},
	{name: "fontSize", number: true},
	{name: "paperSize", values: []string{"A4", "Letter", "Legal"}},
	{name: "bubbleColor"},
	{name: "bubbleSize"},
	{name: "pageMarginLeft", number: true},
	{name: "orientation", values: []string{"Horizontal", "Vertical"}},
	{name: "outputFormat"},
}

// readMarkup reads a request, in place: markup as it is; a form with pictures; or
// the upstream's own JSON task. Each may have settings in the query, too.
func readMarkup(req *gateway.Request) (*form, error) {
	f := &form{chosen: map[string]any{}}
	mediaType, params, err := input.ContentOf(req)
	if err != nil {
		return nil, err
	}
	if err := input.Query(req.Query, f.choose); err != nil {
		return nil, err
	}
	switch mediaType {
	case "text/plain", "text/markdown":
		f.markup.data = req.Body.B
	case "multipart/form-data":
		err = f.readForm(req.Body.B, params["boundary"])
	case "application/json", "text/json":
		err = f.readJSON(req.Body.B)
	default:
		return nil, &problem.Error{Code: problem.UnsupportedMediaType,
			Detail: "Send the markup as text/plain (curl -H 'Content-Type: text/plain' --data-binary @form.txt), multipart/form-data with markup and images, or the upstream's JSON task."}
	}
	if err == nil {
		err = f.settle()
	}
	if err == nil {
		err = f.check()
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// settle makes of the settings that were chosen what goes upstream.
func (f *form) settle() error {
	if len(f.chosen) == 0 {
		return nil
	}
	if f.settings != nil {
		return input.Err(fieldSettings, "there are some as JSON and some as fields, or in the query")
	}
	f.settings, _ = json.Marshal(f.chosen) // texts and numbers always marshal
	return nil
}

// choose adds a setting to those that were chosen.
func (f *form) choose(name, value string) error {
	i := slices.IndexFunc(settings, func(s setting) bool { return strings.EqualFold(s.name, name) })
	if i < 0 {
		return &problem.Error{Code: problem.InvalidInput, Field: fieldSettings,
			Detail: "settings: there is a field that is none of markup, image and " + settingNames() + "."}
	}
	s := settings[i]
	value = strings.TrimSpace(value)
	if s.number {
		n, err := strconv.Atoi(value)
		if err != nil || n < 0 {
			return input.Err(s.name, "it must be a whole number")
		}
		f.chosen[s.name] = n
		return nil
	}
	if s.values != nil {
		at := slices.IndexFunc(s.values, func(v string) bool { return strings.EqualFold(v, value) })
		if at < 0 {
			return input.Err(s.name, "it must be one of %s", strings.Join(s.values, ", "))
		}
		value = s.values[at]
	}
	f.chosen[s.name] = value
	return nil
}

func settingNames() string {
	names := make([]string, len(settings))
	for i, s := range settings {
		names[i] = s.name
	}
	return strings.Join(names, ", ")
}

func (f *form) readForm(body []byte, boundary string) error {
	parts, err := splitMultipart(body, boundary)
	if err != nil {
		return input.ErrMalformed("multipart/form-data")
	}
	for _, p := range parts {
		switch strings.ToLower(p.name) {
		case "markup", "markupfile":
			err = f.setMarkup(p.data)
		case "image", "images", "image[]", "images[]":
			f.images = append(f.images, file{name: p.filename, data: p.data})
		case "settings":
			err = f.setSettings(p.data)
		default:
			err = f.choose(p.name, string(p.data))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *form) setMarkup(data []byte) error {
	if f.markup.data != nil {
		return input.Err(fieldMarkup, "there is more than one")
	}
	f.markup.data = slices.Clip(data)
	return nil
}

// setSettings takes an object as it stands: the upstream may know more of them.
func (f *form) setSettings(raw []byte) error {
	none := func(string, []byte) error { return nil }
	if !json.Valid(raw) || jsonscan.Object(raw, none) != nil {
		return input.Err(fieldSettings, "they must be a JSON object")
	}
	f.settings = raw
	return nil
}

// readJSON reads the upstream's own task.
func (f *form) readJSON(body []byte) error {
	return input.JSONProblem(jsonscan.Object(body, func(name string, value []byte) error {
		if string(value) == "null" {
			return nil
		}
		switch strings.ToLower(name) {
		case "markupfile", "markup":
			data, err := input.Decode(fieldMarkup, value)
			if err != nil {
				return err
			}
			return f.setMarkup(data)
		case "images":
			return jsonscan.Object(value, func(name string, value []byte) error {
				data, err := input.Decode(fieldImage, value)
				f.images = append(f.images, file{name: name, data: data})
				return err
			})
		case "settings":
			return f.setSettings(value)
		default:
			return &problem.Error{Code: problem.InvalidInput, Detail: "There is a field that is none of MarkupFile, Images and settings."}
		}
	}))
}

// check refuses what cannot become a form.
func (f *form) check() error {
	text := strings.TrimSpace(string(f.markup.data[:min(len(f.markup.data), 1024)]))
	switch {
	case text == "":
		return input.Err(fieldMarkup, "there is none")
	case !utf8.Valid(f.markup.data) || strings.Contains(text, "\x00"):
		return input.Err(fieldMarkup, "it is not text in UTF-8")
	}
	names := map[string]bool{}
	for i, image := range f.images {
		if image.name == "" || names[image.name] {
			return input.Err(fieldImage, "number %d needs a name of its own, by which the markup speaks of it", i+1)
		}
		names[image.name] = true
		if err := checkImage(i+1, image.data); err != nil {
			return err
		}
	}
	return nil
}

// task is the form as it goes upstream.
func (f *form) task(req *gateway.Request) *omr.Task {
	images := make([]omr.Named, len(f.images))
	for i, image := range f.images {
		images[i] = omr.Named{Name: image.name, Document: image.document(req.Body)}
	}
	return omr.NewGeneration(f.markup.document(req.Body), images, f.settings)
}

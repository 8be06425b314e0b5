// Command eventgen writes the event fixtures: one JSON file for every kind of
// event that the relay is invoked with, in the shape AWS sends, usable with
// "sam local invoke -e". The filled form inside is drawn by this program, so
// that the fixtures depend on nobody's data.
//
// Run it with "go generate ./internal/eventgen". All identifiers are examples;
// its output is the same every time for one version of Go (another version may
// compress the PNG differently).
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"omr-relay/internal/sandbox"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: eventgen DIRECTORY")
		os.Exit(2)
	}
	if err := writeAll(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "eventgen:", err)
		os.Exit(1)
	}
}

// writeAll writes every fixture into dir, which must exist.
func writeAll(dir string) error {
	all, err := fixtures()
	if err != nil {
		return err
	}
	for name, event := range all {
		text, err := format(event)
		if err != nil {
			return fmt.Errorf("encoding %s: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return fmt.Errorf("writing a fixture: %w", err)
		}
	}
	return writeSample(filepath.Join(dir, "sample"))
}

// sample is a filled form and its pattern, as files: those whose answers the
// stand-in gives for every form.
func sample() map[string][]byte {
	return map[string][]byte{"answer-sheet.png": sandbox.SampleFilledForm(), "form.omr": sandbox.SamplePattern()}
}

func writeSample(dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	for name, data := range sample() {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return fmt.Errorf("writing a sample: %w", err)
		}
	}
	return nil
}

// format gives the event as JSON indented by two spaces, ending in a newline.
func format(event any) ([]byte, error) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(event); err != nil {
		return nil, err
	}
	return text.Bytes(), nil
}

package sandbox

import (
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"slices"
	"sync"
)

const sampleNote = "SAMPLE made by a stand-in; nothing was recognized."

// sampleResults holds the one result of every recognition, by type. It matches
// the marks of [SampleFilledForm].
var sampleResults = map[string][]byte{
	"Csv": []byte("Element Name,Value,\n" +
		"NOTE,\"" + sampleNote + "\"\n" +
		"Question1,\"A\"\nQuestion2,\"C\"\nQuestion3,\"B\"\n"),
	"Json": []byte(`{"Note":"` + sampleNote + `","RecognitionResults":[` +
		`{"ElementName":"Question1","Value":"A"},` +
		`{"ElementName":"Question2","Value":"C"},` +
		`{"ElementName":"Question3","Value":"B"}]}` + "\n"),
	"Xml": []byte(`<?xml version="1.0" encoding="utf-8"?>` + "\n" +
		`<RecognitionResults note="` + sampleNote + `">` +
		`<Element name="Question1">A</Element>` +
		`<Element name="Question2">C</Element>` +
		`<Element name="Question3">B</Element>` +
		`</RecognitionResults>` + "\n"),
}

// The sample form in pixels: A4 at 75 dpi, three questions of four bubbles.
const (
	pageWidth, pageHeight = 620, 877
	questionCount         = 3
	bubbleCount           = 4
	bubbleSize            = 40
	firstLeft, firstTop   = 130, 300
	bubblePitch           = 110
	questionPitch         = 140
)

var blankForm = sync.OnceValue(func() []byte { return drawForm(nil) })

var filledForm = sync.OnceValue(func() []byte { return drawForm([]int{0, 2, 1}) })

// SampleForm returns a printable form as a PNG of a few kilobytes: corner
// markers, the word SAMPLE and three questions. The caller owns the bytes.
func SampleForm() []byte { return slices.Clone(blankForm()) }

// SampleFilledForm is [SampleForm] with the answers A, C and B marked.
func SampleFilledForm() []byte { return slices.Clone(filledForm()) }

// SamplePattern returns the recognition pattern of [SampleForm], in JSON as the
// service writes it. The caller owns the bytes.
func SamplePattern() []byte {
	type bubble struct {
		Value     string
		Top, Left int
		IsValid   bool
	}
	type element struct {
		Type, Name                string
		Width, Height, Top, Left  int
		BubbleWidth, BubbleHeight int
		Bubbles                   []bubble
		Multiselect               bool
		Orientation               string
	}
	type page struct {
		Width, Height int
		Elements      []element
	}
	form := page{Width: pageWidth, Height: pageHeight}
	for q := range questionCount {
		e := element{
			Type: "ChoiceBox", Name: "Question" + string(rune('1'+q)),
			Width: (bubbleCount-1)*bubblePitch + bubbleSize, Height: bubbleSize,
			Top: firstTop + q*questionPitch, Left: firstLeft,
			BubbleWidth: bubbleSize, BubbleHeight: bubbleSize, Orientation: "Horizontal",
		}
		for b := range bubbleCount {
			e.Bubbles = append(e.Bubbles, bubble{string(rune('A' + b)), e.Top, firstLeft + b*bubblePitch, true})
		}
		form.Elements = append(form.Elements, e)
	}
	data, err := json.Marshal(struct {
		Name, Version string
		Pages         []page
	}{sampleNote, "1.0", []page{form}})
	if err != nil {
		panic(err) // plain values always marshal
	}
	return data
}

// title is the word SAMPLE, a dot for every paper pixel, seven rows high.
var title = [...]string{
	" ### . ### .#   #.#### .#    .#####",
	"#    .#   #.## ##.#   #.#    .#    ",
	"#    .#   #.# # #.#   #.#    .#    ",
	" ### .#####.#   #.#### .#    .#### ",
	"    #.#   #.#   #.#    .#    .#    ",
	"    #.#   #.#   #.#    .#    .#    ",
	"#### .#   #.#   #.#    .#####.#####",
}

// drawForm marks bubble marks[q] of question q.
func drawForm(marks []int) []byte {
	img := image.NewPaletted(image.Rect(0, 0, pageWidth, pageHeight), color.Palette{color.White, color.Black})
	square := func(left, top, size int) {
		for y := top; y < top+size; y++ {
			for x := left; x < left+size; x++ {
				img.SetColorIndex(x, y, 1)
			}
		}
	}
	const marker, margin, dot = 24, 30, 10
	for _, x := range []int{margin, pageWidth - margin - marker} {
		for _, y := range []int{margin, pageHeight - margin - marker} {
			square(x, y, marker)
		}
	}
	for row, line := range title {
		for column, c := range line {
			if c == '#' {
				square(firstLeft+column*dot, 130+row*dot, dot)
			}
		}
	}
	for q := range questionCount {
		for b := range bubbleCount {
			filled := q < len(marks) && marks[q] == b
			circle(img, firstLeft+b*bubblePitch, firstTop+q*questionPitch, filled)
		}
	}
	var out bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(&out, img); err != nil {
		panic(err) // a buffer takes everything
	}
	return out.Bytes()
}

func circle(img *image.Paletted, left, top int, filled bool) {
	const radius, line = bubbleSize / 2, 3
	for y := range bubbleSize {
		for x := range bubbleSize {
			dx, dy := x-radius, y-radius
			d := dx*dx + dy*dy
			if d < radius*radius && (filled || d >= (radius-line)*(radius-line)) {
				img.SetColorIndex(left+x, top+y, 1)
			}
		}
	}
}

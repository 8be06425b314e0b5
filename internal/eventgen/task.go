package main

import (
	"encoding/json"
	"fmt"
	"image"
)

// task is the body of a recognition call. Its byte slices are base64 in JSON.
type task struct {
	Images               [][]byte `json:"images"`
	OmrFile              []byte   `json:"omrFile"`
	OutputFormat         string   `json:"outputFormat"`
	RecognitionThreshold int      `json:"recognitionThreshold"`
}

// pattern is a recognition pattern (an .omr file) as the form generator of
// Aspose.OMR writes it: where on the page which bubble stands.
type pattern struct {
	Name                 *string
	Version              string
	Pages                []patternPage
	TemplateID           *string `json:"TemplateId"`
	FinalizationComplete bool
}

type patternPage struct {
	Width, Height int
	Elements      []choiceBox
	ImageData     []byte
	ImageFormat   string
	ImageName     string
}

type choiceBox struct {
	Type                string
	AlignedHorizontally bool
	AlignedVertically   bool
	Name                string
	Width, Height       int
	Top, Left           int
	BubbleHeight        int
	BubbleWidth         int
	Bubbles             []patternBubble
	Multiselect         bool
	Orientation         string
}

type patternBubble struct {
	Value     string
	Top, Left int
	IsValid   bool
}

// recognitionTask is a complete, valid task: the marked answer sheet and the
// pattern that reads it.
func recognitionTask() ([]byte, error) {
	form, err := encodePNG(drawForm(true))
	if err != nil {
		return nil, err
	}
	omr, err := recognitionPattern()
	if err != nil {
		return nil, err
	}
	return json.Marshal(task{
		Images:               [][]byte{form},
		OmrFile:              omr,
		OutputFormat:         "CSV",
		RecognitionThreshold: 35,
	})
}

// recognitionPattern describes the answer sheet and carries its blank picture.
func recognitionPattern() ([]byte, error) {
	blank, err := encodePNG(drawForm(false))
	if err != nil {
		return nil, err
	}
	page := patternPage{
		Width:       pageWidth,
		Height:      pageHeight,
		ImageData:   blank,
		ImageFormat: ".png",
		ImageName:   "answer-sheet.png",
	}
	for q := range len(answers) {
		page.Elements = append(page.Elements, question(q))
	}
	return json.Marshal(pattern{Version: "1.0", Pages: []patternPage{page}})
}

func question(q int) choiceBox {
	var around image.Rectangle
	box := choiceBox{
		Type:         "ChoiceBox",
		Name:         fmt.Sprintf("Question%d", q+1),
		BubbleHeight: bubbleSize,
		BubbleWidth:  bubbleSize,
		Orientation:  "Horizontal",
	}
	for c, letter := range choices {
		at := bubble(q, c)
		around = around.Union(at)
		box.Bubbles = append(box.Bubbles, patternBubble{Value: string(letter), Top: at.Min.Y, Left: at.Min.X, IsValid: true})
	}
	box.Top, box.Left = around.Min.Y, around.Min.X
	box.Width, box.Height = around.Dx(), around.Dy()
	return box
}

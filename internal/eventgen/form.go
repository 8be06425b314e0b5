package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"strconv"
)

// The answer sheet, in pixels of an A4 page at 150 dpi. The recognition pattern
// is made from the same numbers as the picture, so the two always agree.
const (
	pageWidth  = 1240
	pageHeight = 1754

	anchorSize   = 48 // the black squares by which a scan is aligned
	anchorMargin = 60

	firstRow = 330
	rowStep  = 130
	firstCol = 400
	colStep  = 170

	bubbleSize = 64

	choices = "ABCD"
	// answers holds the marked choice of each question.
	answers = "BDACABDCAB"
)

// bubble is the square around a choice's circle.
func bubble(question, choice int) image.Rectangle {
	at := image.Pt(firstCol+choice*colStep, firstRow+question*rowStep)
	return image.Rectangle{Min: at, Max: at.Add(image.Pt(bubbleSize, bubbleSize))}
}

// drawForm draws the answer sheet: blank as it is printed, or with answers
// marked.
func drawForm(marked bool) *image.Paletted {
	// Two colours give one bit a pixel, which keeps the fixtures small.
	page := image.NewPaletted(image.Rect(0, 0, pageWidth, pageHeight), color.Palette{color.White, color.Black})
	drawAnchors(page)
	drawText(page, image.Pt(firstCol, 170), "SAMPLE", 12)
	for q := range len(answers) {
		drawText(page, image.Pt(220, firstRow+q*rowStep+8), strconv.Itoa(q+1), 7)
		for c, letter := range choices {
			box := bubble(q, c)
			if marked && byte(letter) == answers[q] {
				drawDisc(page, box, 0)
				continue
			}
			drawDisc(page, box, bubbleSize/2-4)
			drawText(page, box.Min.Add(image.Pt(22, 18)), string(letter), 4)
		}
	}
	return page
}

func drawAnchors(page *image.Paletted) {
	for _, x := range []int{anchorMargin, pageWidth - anchorMargin - anchorSize} {
		for _, y := range []int{anchorMargin, pageHeight - anchorMargin - anchorSize} {
			draw.Draw(page, image.Rect(x, y, x+anchorSize, y+anchorSize), image.Black, image.Point{}, draw.Src)
		}
	}
}

// drawDisc fills the circle inside box, leaving out the part closer to the
// centre than hole.
func drawDisc(page *image.Paletted, box image.Rectangle, hole int) {
	center, outer := box.Min.Add(box.Size().Div(2)), box.Dx()/2
	for y := box.Min.Y; y < box.Max.Y; y++ {
		for x := box.Min.X; x < box.Max.X; x++ {
			dx, dy := x-center.X, y-center.Y
			if d := dx*dx + dy*dy; d <= outer*outer && d >= hole*hole {
				page.SetColorIndex(x, y, 1)
			}
		}
	}
}

// drawText writes text with its upper left corner at; one dot of the font is a
// square of size pixels. A character without a glyph is left blank.
func drawText(page *image.Paletted, at image.Point, text string, size int) {
	for i, char := range text {
		for row, dots := range glyphs[char] {
			for col := range 5 {
				if dots>>(4-col)&1 == 0 {
					continue
				}
				dot := image.Rect(0, 0, size, size).Add(at).Add(image.Pt((i*6+col)*size, row*size))
				draw.Draw(page, dot, image.Black, image.Point{}, draw.Src)
			}
		}
	}
}

// encodePNG gives the picture as a PNG file.
func encodePNG(picture image.Image) ([]byte, error) {
	var file bytes.Buffer
	enc := png.Encoder{CompressionLevel: png.BestCompression}
	if err := enc.Encode(&file, picture); err != nil {
		return nil, fmt.Errorf("encoding the form: %w", err)
	}
	return file.Bytes(), nil
}

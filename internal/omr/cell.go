package omr

import "strings"

// PlainCell is a cell of a table of the relay's own. One that a spreadsheet would
// run as a formula gets an apostrophe in front
// (https://owasp.org/www-community/attacks/CSV_Injection).
func PlainCell(cell string) string {
	if cell != "" && strings.IndexByte("=+-@\t\r", cell[0]) >= 0 {
		return "'" + cell
	}
	return cell
}

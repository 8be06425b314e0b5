package fleet

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

func TestX(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("N"))
	v := variant{"as it is", func(r *rand.Rand) float64 { return 0.15 + 0.1*r.Float64() }, (*rand.Rand).Float64}
	switch os.Getenv("V") {
	case "nosoft":
		v.lead = func(*rand.Rand) float64 { return 0 }
	case "nojit":
		v.lead = func(*rand.Rand) float64 { return 0.2 }
		v.draw = func(*rand.Rand) float64 { return 0.5 }
	}
	for seed := range 2 {
		b := time.Now()
		d := schoolDay(int64(n))
		if os.Getenv("V") == "any" {
			d = anyDay(rand.New(rand.NewPCG(uint64(seed), 9)), int64(n))
		}
		w := run(t, &world{seed: uint64(seed), variant: v, day: d})
		for _, i := range d.incidents {
			t.Log(i.name, i.begins, i.ends, i.over)
		}
		f := w.figures
		t.Log("exam", f.Minutes[13*60+25:16*60]); f.Minutes=nil
		t.Logf("%+v %v %v", f, w.broken, time.Since(b))
	}
}

// Package orders keeps orders.
package orders

import (
	"fmt"
	disk "acme.org/storage"
)

// Limit is the most.
const Limit = 3

const (
	First Mode = iota
	Second
)

var cache, other map[string]Entry

// Ledger keeps the orders of a customer. Slowly.
type Ledger[T any] struct {
	*Book
	disk.Handle
	name string `json:"name"`
	x, y int
}

type (
	Shape interface {
		fmt.Stringer
		Area(canvas Canvas) (float64, error)
	}
	Mode int
	Alias = Ledger[int]
	Handler func(Entry) error
)

// Add adds it.
func (l *Ledger[T]) Add(entry Entry) error {
	const local = 1
	value := Pair{First: 1}
	return disk.Write(entry, helper[T](value), &Options{})
}

func (Mode) String() string { return "" }

func New(name string) *Ledger[int] {
	run := func(x int) {}
	defer run(1)
	return &Ledger[int]{}
}

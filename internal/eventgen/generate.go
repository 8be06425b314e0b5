package main

//go:generate go run omr-relay/internal/eventgen ../../events

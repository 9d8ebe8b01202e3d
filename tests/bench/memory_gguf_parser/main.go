// Prints what gguf-parser-go estimates: a line of settings in, a line of JSON out.
// Built by tests/bench/memory_rivals.py with github.com/gpustack/gguf-parser-go v0.26.3.
package main

import (
	"bufio"
	"encoding/json"
	"os"

	parser "github.com/gpustack/gguf-parser-go"
)

type settings struct {
	Path    string `json:"path"`
	Context int32  `json:"context"`
	Slots   int32  `json:"slots"`
	Batch   int32  `json:"batch"`
	Ubatch  int32  `json:"ubatch"`
	K       string `json:"k"`
	V       string `json:"v"`
	Flash   bool   `json:"flash"`
	SwaFull bool   `json:"swa_full"`
}

type answer struct {
	Weights uint64 `json:"weights"`
	Context uint64 `json:"context"`
	Compute uint64 `json:"compute"`
	Total   uint64 `json:"total"`
}

var types = map[string]parser.GGMLType{
	"f32": parser.GGMLTypeF32, "f16": parser.GGMLTypeF16, "bf16": parser.GGMLTypeBF16, "q8_0": parser.GGMLTypeQ8_0,
	"q5_1": parser.GGMLTypeQ5_1, "q5_0": parser.GGMLTypeQ5_0, "q4_1": parser.GGMLTypeQ4_1, "q4_0": parser.GGMLTypeQ4_0,
	"iq4_nl": parser.GGMLTypeIQ4_NL,
}

var files = map[string]*parser.GGUFFile{}

func parsed(path string) (*parser.GGUFFile, error) {
	if file, known := files[path]; known {
		return file, nil
	}
	file, err := parser.ParseGGUFFile(path, parser.UseMMap())
	if err == nil {
		files[path] = file
	}
	return file, err
}

func estimate(s settings) (out answer, err error) {
	file, err := parsed(s.Path)
	if err != nil {
		return out, err
	}
	options := []parser.GGUFRunEstimateOption{
		parser.WithParallelSize(s.Slots), parser.WithLLaMACppOffloadLayers(9999),
		parser.WithLLaMACppLogicalBatchSize(s.Batch), parser.WithLLaMACppPhysicalBatchSize(s.Ubatch),
		parser.WithLLaMACppCacheKeyType(types[s.K]), parser.WithLLaMACppCacheValueType(types[s.V]),
	}
	if s.Context > 0 {
		options = append(options, parser.WithLLaMACppContextSize(s.Context))
	}
	if s.Flash {
		options = append(options, parser.WithFlashAttention())
	}
	if s.SwaFull {
		options = append(options, parser.WithLLaMACppFullSizeSWACache())
	}
	run := file.EstimateLLaMACppRun(options...)
	for i, device := range run.Devices {
		held := uint64(device.KVCache.Key) + uint64(device.KVCache.Value)
		out.Context += held
		if i == 1 {
			w, c := device.Weight, device.Computation
			out.Weights = uint64(w.Input + w.Compute + w.ComputeOverridden + w.Output)
			out.Compute = uint64(c.Input + c.Compute + c.Output)
			out.Total = held + out.Weights + out.Compute
		}
	}
	return out, nil
}

func guarded(s settings) (out answer, ok bool) {
	defer func() { _ = recover() }()
	out, err := estimate(s)
	return out, err == nil
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var s settings
		if json.Unmarshal(lines.Bytes(), &s) != nil {
			os.Exit(1)
		}
		if found, ok := guarded(s); ok {
			_ = out.Encode(found)
		} else {
			_ = out.Encode(nil)
		}
	}
}

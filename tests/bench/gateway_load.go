// A fake server and a load generator for gateway_load.py: Python is too slow to measure a gateway.
//
//	gateway_load serve PORT
//	gateway_load load URL KEY BODY_FILE REQUESTS CONNECTIONS stream|plain
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"sort"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const answer = `{"id":"x","object":"chat.completion","created":0,"model":"small","choices":[{"index":0,` +
	`"finish_reason":"stop","message":{"role":"assistant","content":"hello"}}],` +
	`"usage":{"prompt_tokens":5,"completion_tokens":1,"total_tokens":6}}`

const chunk = `data: {"id":"x","object":"chat.completion.chunk","created":0,"model":"small",` +
	`"choices":[{"index":0,"delta":{"content":"word "},"finish_reason":null}]}` + "\n\n"

// One hundred tokens in a second, as a model on one card makes them.
const chunks, pause = 50, 10 * time.Millisecond

func serve(port string) {
	handler := func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if !bytes.Contains(body, []byte(`"stream": true`)) && !bytes.Contains(body, []byte(`"stream":true`)) {
			w.Header().Set("content-type", "application/json")
			io.WriteString(w, answer)
			return
		}
		w.Header().Set("content-type", "text/event-stream")
		flusher := w.(http.Flusher)
		for i := 0; i < chunks; i++ {
			io.WriteString(w, chunk)
			flusher.Flush()
			time.Sleep(pause)
		}
		io.WriteString(w, "data: [DONE]\n\n")
	}
	if err := http.ListenAndServe("127.0.0.1:"+port, http.HandlerFunc(handler)); err != nil {
		panic(err)
	}
}

type measured struct {
	mutex  sync.Mutex
	whole  []time.Duration
	first  []time.Duration
	delay  []time.Duration
	wrong  map[string]int
}

func (m *measured) add(whole, first time.Duration, delays []time.Duration) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.whole, m.first, m.delay = append(m.whole, whole), append(m.first, first), append(m.delay, delays...)
}

func (m *measured) fail(why string) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.wrong[why]++
}

func ask(client *http.Client, url, key string, body []byte, stream bool, m *measured) {
	request, _ := http.NewRequest("POST", url, bytes.NewReader(body))
	request.Header.Set("content-type", "application/json")
	request.Header.Set("authorization", "Bearer "+key)
	begin := time.Now()
	response, err := client.Do(request)
	if err != nil {
		m.fail(err.Error())
		return
	}
	defer response.Body.Close()
	first := time.Since(begin)
	var delays []time.Duration
	if stream {
		// How late each piece is, beyond the server's own pause.
		last, lines := time.Now(), bufio.NewScanner(response.Body)
		for lines.Scan() {
			if !bytes.HasPrefix(lines.Bytes(), []byte("data: {")) {
				continue
			}
			late := time.Since(last) - pause
			if late < 0 {
				late = -late
			}
			delays, last = append(delays, late), time.Now()
		}
		if len(delays) < chunks {
			m.fail("short stream")
			return
		}
		delays = delays[1:]
	} else {
		io.Copy(io.Discard, response.Body)
	}
	if response.StatusCode != 200 {
		m.fail(strconv.Itoa(response.StatusCode))
		return
	}
	m.add(time.Since(begin), first, delays)
}

func load(url, key, file string, requests, connections int, stream bool) {
	body, err := os.ReadFile(file)
	if err != nil {
		panic(err)
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections, DisableCompression: true}}
	m := &measured{wrong: map[string]int{}}
	var left int64 = int64(requests)
	var group sync.WaitGroup
	begin := time.Now()
	for i := 0; i < connections; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for atomic.AddInt64(&left, -1) >= 0 {
				ask(client, url, key, body, stream, m)
			}
		}()
	}
	group.Wait()
	seconds := time.Since(begin).Seconds()
	json.NewEncoder(os.Stdout).Encode(map[string]any{
		"p50": at(m.whole, 50), "p99": at(m.whole, 99), "first": at(m.first, 50),
		"delay50": at(m.delay, 50), "delay99": at(m.delay, 99),
		"rate": float64(len(m.whole)) / seconds, "served": len(m.whole), "wrong": m.wrong,
	})
}

// at gives a percentile in milliseconds.
func at(found []time.Duration, per int) float64 {
	if len(found) == 0 {
		return 0
	}
	sort.Slice(found, func(i, j int) bool { return found[i] < found[j] })
	return float64(found[min(len(found)-1, len(found)*per/100)].Microseconds()) / 1000
}

func min(a, b int) int {
	if a < b {
		return a
	}
	return b
}

func main() {
	switch {
	case len(os.Args) == 3 && os.Args[1] == "serve":
		serve(os.Args[2])
	case len(os.Args) == 8 && os.Args[1] == "load":
		requests, _ := strconv.Atoi(os.Args[5])
		connections, _ := strconv.Atoi(os.Args[6])
		load(os.Args[2], os.Args[3], os.Args[4], requests, connections, os.Args[7] == "stream")
	default:
		fmt.Fprintln(os.Stderr, "usage: see the head of gateway_load.go")
		os.Exit(2)
	}
}

// flood-watch polls a river gauge and sends an alert through the Konexus API when the water is too high.
// The token comes from a file that konexus-tokend keeps fresh: this program knows nothing of OAuth.
//
//	GAUGE=https://gauges.example.org/river.json go run flood-watch.go
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"
)

// TokenFile puts the token from a file into each request: read anew each time, and once more on a 401.
type TokenFile struct{ Path string }

// RoundTrip implements http.RoundTripper. Without a file there is no valid token just now, and the error says so.
func (file TokenFile) RoundTrip(request *http.Request) (*http.Response, error) {
	token, err := os.ReadFile(file.Path)
	if err != nil {
		return nil, err
	}
	response, err := send(request, token)
	if err != nil || response.StatusCode != http.StatusUnauthorized || request.GetBody == nil {
		return response, err
	}
	newer, err := os.ReadFile(file.Path)
	if err != nil || bytes.Equal(newer, token) {
		return response, nil
	}
	response.Body.Close()
	if request.Body, err = request.GetBody(); err != nil {
		return nil, err
	}
	return send(request, newer)
}

// A RoundTripper may not change its caller's request.
func send(request *http.Request, token []byte) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.Header.Set("Authorization", "Bearer "+string(token))
	return http.DefaultTransport.RoundTrip(request)
}

type reading struct {
	ID    json.Number `json:"id"`
	Level float64     `json:"level"`
}

func setting(name, fallback string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return fallback
}

func main() {
	limit, _ := strconv.ParseFloat(setting("LIMIT", "3.5"), 64)
	interval, _ := strconv.ParseFloat(setting("INTERVAL", "30"), 64)
	alerts := setting("API", "https://admin.alertsense.com") + "/api/v2/alerts"
	api := &http.Client{
		Transport: TokenFile{setting("TOKEN_FILE", "/run/konexus-tokend/konexus.token")}, Timeout: 10 * time.Second,
	}
	gauge := &http.Client{Timeout: 10 * time.Second}
	var unsent [][]byte
	for ; ; time.Sleep(time.Duration(interval * float64(time.Second))) {
		var now reading
		if response, err := gauge.Get(os.Getenv("GAUGE")); err != nil {
			fmt.Fprintln(os.Stderr, "flood-watch: no reading:", err)
		} else {
			err = json.NewDecoder(response.Body).Decode(&now)
			response.Body.Close()
			if err != nil {
				fmt.Fprintln(os.Stderr, "flood-watch: no reading:", err)
			}
		}
		if now.Level > limit {
			alert, _ := json.Marshal(map[string]any{"title": "Flood warning", "level": now.Level, "reading": now.ID})
			unsent = append(unsent, alert)
		}
		// An alert is kept until the API has taken it.
		for len(unsent) > 0 {
			response, err := api.Post(alerts, "application/json", bytes.NewReader(unsent[0]))
			if err == nil {
				response.Body.Close()
				if response.StatusCode/100 != 2 {
					err = fmt.Errorf("the API answered %s", response.Status)
				}
			}
			if err != nil {
				fmt.Fprintln(os.Stderr, "flood-watch: alert not sent, will be tried again:", err)
				break
			}
			fmt.Printf("flood-watch: alert sent: %s\n", unsent[0])
			unsent = unsent[1:]
		}
	}
}

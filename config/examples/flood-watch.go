// flood-watch reads a river gauge and sends one alert through the Konexus API when the water rises above LIMIT.
//
//	GAUGE=https://gauges.example.org/river.json PLACE="Mill Creek" GROUP_IDS=1003 go run flood-watch.go [--dry-run]
//
// It needs Go 1.18 and nothing else. README.md beside this file explains the settings, the rules and the messages.
// It runs until a signal. With --dry-run, or a wrong setting, it ends with an exit code:
//
//	0   the dry run succeeded
//	1   the dry run failed
//	64  a setting is wrong
//
// Its messages begin with one of these texts:
//
//	alert sent            alert was accepted before
//	alert not sent        older alert discarded
//	no reading            no state of a previous run
//	state not saved       wrong setting
//	dry run succeeded     dry run failed
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func report(format string, values ...any) {
	fmt.Fprintf(os.Stderr, "flood-watch: "+format+"\n", values...)
}

func setting(name, fallback string) string {
	if value, ok := os.LookupEnv(name); ok {
		return value
	}
	return fallback
}

// number returns NaN for a text that is not a finite number: no comparison with NaN is true.
func number(name, fallback string) float64 {
	value, err := strconv.ParseFloat(setting(name, fallback), 64)
	if err != nil || math.IsInf(value, 0) {
		return math.NaN()
	}
	return value
}

func seconds(value float64) time.Duration { return time.Duration(value * float64(time.Second)) }

var (
	gauge, place          = setting("GAUGE", ""), setting("PLACE", "the river")
	limit, resetLimit     = number("LIMIT", "3.5"), number("RESET_LIMIT", "3.0")
	minInterval, interval = number("MIN_INTERVAL", "3600"), number("INTERVAL", "30")
	timeout, api          = number("TIMEOUT", "20"), setting("API", "https://admin.alertsense.com")
	tokenFile             = setting("TOKEN_FILE", "/run/konexus-tokend/konexus.token")
	stateFile             = setting("STATE_DIRECTORY", ".") + "/flood-watch.json"
	groupIDs              []int
)

// The timeout includes reading the body. A redirect is not followed: it could take the token to another host.
var client = http.Client{
	Timeout:       seconds(timeout),
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// errRejected means that a call had no effect. After any other error that is unknown.
var errRejected = errors.New("rejected")

type object = map[string]any

type alert struct {
	Subject   string `json:"subject"`
	Message   string `json:"message"`
	MayBeSent bool   `json:"mayBeSent"`
}

type state struct {
	IsHigh    bool    `json:"isHigh"`
	LastAlert float64 `json:"lastAlert"`
	Unsent    *alert  `json:"unsent"`
}

func fetch(method, url, token string, body []byte) (code int, content []byte, err error) {
	request, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if token != "" {
		request.Header = http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/json"}}
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	content, err = io.ReadAll(response.Body)
	return response.StatusCode, content, err
}

// member returns the object that is a member of another object. It adds the member if necessary.
func member(parent object, name string) object {
	if _, ok := parent[name].(object); !ok {
		parent[name] = object{}
	}
	return parent[name].(object)
}

// lower makes the names lower case, because the API writes both isSuccess and IsSuccess.
func lower(members object) object {
	result := object{}
	for name, value := range members {
		result[strings.ToLower(name)] = value
	}
	return result
}

func readToken() (string, error) {
	text, err := os.ReadFile(tokenFile)
	return strings.TrimSpace(string(text)), err
}

// replace reports a token that the API rejected to konexus-tokend. It waits up to 2 s for another one in the file.
func replace(token string) {
	end := time.Now().Add(2 * time.Second)
	if daemon, err := net.DialTimeout("unix", filepath.Dir(tokenFile)+"/reject.sock", 2*time.Second); err == nil {
		name := strings.TrimSuffix(filepath.Base(tokenFile), ".token")
		fmt.Fprintf(daemon, "rejected %s sha256 %x\n", name, sha256.Sum256([]byte(token)))
		daemon.Close()
	}
	for next, err := readToken(); err == nil && next == token && time.Now().Before(end); next, err = readToken() {
		time.Sleep(50 * time.Millisecond)
	}
}

// call returns a member of the API's response, if the response reports success and has the member.
func call(path string, body object, name string) (value any, err error) {
	text, err := json.Marshal(body)
	code, content := http.StatusUnauthorized, []byte(nil)
	token := ""
	for attempt := 0; attempt < 2 && code == http.StatusUnauthorized && err == nil; attempt++ {
		if attempt > 0 { // After a 401 once more, with another token if there is one.
			replace(token)
		}
		if token, err = readToken(); err == nil {
			code, content, err = fetch("POST", api+"/api/v2/alerts"+path, token, text)
		}
	}
	if err != nil {
		return nil, err
	}
	var envelope object
	err = json.Unmarshal(content, &envelope)
	response := lower(envelope)
	status := lower(member(response, "status"))
	failed := status["issuccess"] == false || response["haserrors"] == true || response["isvalid"] == false
	why := fmt.Sprintf("/alerts%s: HTTP %d", path, code)
	for _, reason := range []any{status["errorcode"], status["errormessage"], response["error"]} {
		if reason != nil {
			why += fmt.Sprintf(" %v", reason)
		}
	}
	if code >= 400 && code < 500 || code == 200 && failed {
		return nil, fmt.Errorf("%w: %s", errRejected, why)
	}
	if code != 200 || err != nil || response[name] == nil {
		return nil, fmt.Errorf("no usable response: %s", why)
	}
	return response[name], nil
}

// makeForm returns the account's alert form with the text of the alert, after the API has validated it.
func makeForm(a *alert) (object, error) {
	item, err := call("/defaults", object{}, "item")
	if err != nil {
		return nil, err
	}
	form, ok := item.(object)
	if !ok {
		return nil, errors.New("/alerts/defaults: the form is not an object")
	}
	basic := member(member(form, "message"), "basic")
	basic["subject"], basic["message"] = a.Subject, a.Message
	member(member(form, "channels"), "email")["send"] = true
	if len(groupIDs) > 0 {
		member(form, "recipients")["groupIds"] = groupIDs
	}
	_, err = call("/preview", object{"settings": form}, "item")
	return form, err
}

// isAccepted looks for the alert by its subject: the vendor documents no filter for correlationKey.
func isAccepted(subject string) (bool, error) {
	found, err := call("/find", object{"subject": subject, "pageSize": 100}, "items")
	items, ok := found.([]any)
	if err == nil && !ok {
		err = errors.New("/alerts/find: items is not a list")
	}
	for _, item := range items {
		if item, ok := item.(object); ok && member(member(item, "message"), "basic")["subject"] == subject {
			return true, err
		}
	}
	return false, err
}

// deliver sends the unsent alert, unless an attempt whose response was lost has already done so.
func deliver(s *state) error {
	a := s.Unsent
	if a.MayBeSent {
		accepted, err := isAccepted(a.Subject)
		if accepted && err == nil {
			report("alert was accepted before: %s", a.Subject)
			s.Unsent = nil
		}
		if accepted || err != nil {
			return err
		}
	}
	form, err := makeForm(a)
	if err != nil {
		return err
	}
	a.MayBeSent = true
	save(s)
	key := fmt.Sprintf("%.100s", a.Subject)
	if _, err = call("", object{"settings": form, "jobId": "flood-watch", "correlationKey": key}, "alertid"); err != nil {
		a.MayBeSent = !errors.Is(err, errRejected)
		return err
	}
	report("alert sent: %s", a.Subject)
	s.Unsent = nil
	return nil
}

func readLevel() (float64, error) {
	var reading struct{ Level *float64 }
	code, content, err := fetch("GET", gauge, "", nil)
	if err == nil {
		err = json.Unmarshal(content, &reading)
	}
	if err != nil || code != 200 || reading.Level == nil {
		return 0, fmt.Errorf("the gauge answers HTTP %d without a level: %v", code, err)
	}
	return *reading.Level, nil
}

func makeAlert(level float64) *alert {
	now := time.Now().UTC().Format("2006-01-02 15:04:05 UTC")
	text := fmt.Sprintf("The water level at %s is %v. The limit is %v. Time: %s.", place, level, limit, now)
	return &alert{Subject: fmt.Sprintf("Flood warning %s: %s", now, place), Message: text}
}

// observe makes an alert when the level rises above LIMIT, and the next one only after it fell below RESET_LIMIT.
func observe(s *state, level float64) {
	now := float64(time.Now().UnixMilli()) / 1000
	age := now - s.LastAlert
	if level < resetLimit {
		s.IsHigh = false
	} else if level > limit && !s.IsHigh && (age < 0 || age >= minInterval) {
		if s.Unsent != nil {
			report("older alert discarded: %s", s.Unsent.Subject)
		}
		*s = state{IsHigh: true, LastAlert: now, Unsent: makeAlert(level)}
	}
}

func save(s *state) {
	text, err := json.Marshal(s)
	if err == nil {
		err = os.WriteFile(stateFile+".new", text, 0o600)
	}
	if err == nil {
		err = os.Rename(stateFile+".new", stateFile)
	}
	if err != nil {
		report("state not saved: %v", err)
	}
}

func main() {
	isDryRun := len(os.Args) > 1
	err := json.Unmarshal([]byte("["+setting("GROUP_IDS", "")+"]"), &groupIDs)
	if err != nil || gauge == "" || !strings.HasPrefix(api, "https://") || !(resetLimit <= limit) ||
		!(minInterval >= 1 && interval > 0 && timeout > 0) || len(os.Args) > 2 || isDryRun && os.Args[1] != "--dry-run" {
		report("wrong setting: GAUGE must be set, API must start with https://, RESET_LIMIT must not be above LIMIT, " +
			"MIN_INTERVAL must be 1 s or more, INTERVAL and TIMEOUT must be more than 0 s, " +
			"GROUP_IDS must be numbers with commas between them, the only option is --dry-run")
		os.Exit(64)
	}
	if isDryRun {
		level, err := readLevel()
		if err == nil {
			_, err = makeForm(makeAlert(level))
		}
		if err != nil {
			report("dry run failed: %v", err)
			os.Exit(1)
		}
		report("dry run succeeded: the level is %v, the API accepts the alert; no alert was sent", level)
		return
	}
	var s state
	text, err := os.ReadFile(stateFile)
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		report("no state of a previous run: %v", err)
		s = state{}
	}
	for ; ; time.Sleep(seconds(interval)) {
		if level, err := readLevel(); err != nil {
			report("no reading: %v", err)
		} else {
			observe(&s, level)
		}
		if s.Unsent != nil {
			if err := deliver(&s); err != nil {
				report("alert not sent, next attempt in %v s: %v", interval, err)
			}
		}
		save(&s)
	}
}

// A peer that does the daemon's work, in Go: discovery, token request, key set, signature and claims, atomic write,
// sd_notify.
//
// Environment: ISSUER, CLIENT_ID, SECRET_FILE, TOKEN_FILE, REQUEST_TIMEOUT. REFRESH_SECONDS is half of the token's
// lifetime by default. RETRY_SECONDS is the wait after a failure.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/coreos/go-oidc"
	"github.com/coreos/go-systemd/daemon"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
	"gopkg.in/square/go-jose.v2"
)

const scope = "tamarack"

// scopes is the scope claim: a text with spaces (RFC 9068), or a list, as Konexus' server writes it.
type scopes []string

func (s *scopes) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		*s = strings.Fields(text)
		return nil
	}
	return json.Unmarshal(data, (*[]string)(s))
}

func (s scopes) contain(wanted string) bool {
	for _, scope := range s {
		if scope == wanted {
			return true
		}
	}
	return false
}

func seconds(name string, otherwise time.Duration) time.Duration {
	if value, err := strconv.ParseFloat(os.Getenv(name), 64); err == nil {
		return time.Duration(value * float64(time.Second))
	}
	return otherwise
}

// verify checks the type, the issuer, the audience, the times, the signature, the client and the scope.
func verify(ctx context.Context, provider *oidc.Provider, token string) (*oidc.IDToken, error) {
	parsed, err := jose.ParseSigned(token)
	if err != nil {
		return nil, err
	}
	switch kind := parsed.Signatures[0].Header.ExtraHeaders["typ"]; kind {
	case "at+jwt", "JWT", nil:
	default:
		return nil, fmt.Errorf("the type of the token is %v", kind)
	}
	verified, err := provider.Verifier(&oidc.Config{ClientID: "tamarack"}).Verify(ctx, token)
	if err != nil {
		return nil, err
	}
	var claims struct {
		ClientID string `json:"client_id"`
		Scope    scopes `json:"scope"`
	}
	if err := verified.Claims(&claims); err != nil {
		return nil, err
	}
	if claims.ClientID != os.Getenv("CLIENT_ID") || !claims.Scope.contain(scope) {
		return nil, errors.New("the token is for another client or scope")
	}
	return verified, nil
}

// write replaces the file by a new one, which is complete when it becomes visible.
func write(path, token string) error {
	file, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	if _, err := file.WriteString(token); err != nil {
		return err
	}
	if err := file.Chmod(0o640); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

type program struct {
	client   *http.Client
	provider *oidc.Provider
}

func (p *program) refresh() (time.Duration, error) {
	secret, err := os.ReadFile(os.Getenv("SECRET_FILE"))
	if err != nil {
		return 0, err
	}
	// The provider keeps its context, and reads the key set again with it.
	ctx := oidc.ClientContext(context.Background(), p.client)
	// Half an hour lies between two refreshes in production: no connection is kept for so long.
	defer p.client.CloseIdleConnections()
	if p.provider == nil {
		if p.provider, err = oidc.NewProvider(ctx, os.Getenv("ISSUER")); err != nil {
			return 0, err
		}
	}
	config := clientcredentials.Config{
		ClientID: os.Getenv("CLIENT_ID"), ClientSecret: strings.TrimSpace(string(secret)),
		TokenURL: p.provider.Endpoint().TokenURL, Scopes: []string{scope}, AuthStyle: oauth2.AuthStyleInParams,
	}
	token, err := config.Token(ctx)
	if err != nil {
		return 0, err
	}
	verified, err := verify(ctx, p.provider, token.AccessToken)
	if err != nil {
		return 0, err
	}
	if err := write(os.Getenv("TOKEN_FILE"), token.AccessToken); err != nil {
		return 0, err
	}
	return seconds("REFRESH_SECONDS", time.Until(verified.Expiry)/2), nil
}

func main() {
	syscall.Umask(0o027)
	p := &program{client: &http.Client{
		Transport: http.DefaultTransport.(*http.Transport).Clone(), Timeout: seconds("REQUEST_TIMEOUT", 30*time.Second),
	}}
	isReady := false
	for {
		wait, err := p.refresh()
		if err != nil {
			log.Print(err)
			wait = seconds("RETRY_SECONDS", time.Minute)
		} else if !isReady {
			if _, err := daemon.SdNotify(false, daemon.SdNotifyReady); err != nil {
				log.Print(err)
			}
			isReady = true
		}
		time.Sleep(wait)
	}
}

// Peer (d): golang.org/x/oauth2/clientcredentials and a file. The token is not verified.
//
// Environment: TOKEN_URL, CLIENT_ID, SECRET_FILE, TOKEN_FILE. REFRESH_SECONDS is half of the token's lifetime by default.
// RETRY_SECONDS is the wait after a failure.
package main

import (
	"context"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

func seconds(name string, otherwise time.Duration) time.Duration {
	if value, err := strconv.ParseFloat(os.Getenv(name), 64); err == nil {
		return time.Duration(value * float64(time.Second))
	}
	return otherwise
}

func fetch(path string) (time.Duration, error) {
	secret, err := os.ReadFile(os.Getenv("SECRET_FILE"))
	if err != nil {
		return 0, err
	}
	config := clientcredentials.Config{
		ClientID: os.Getenv("CLIENT_ID"), ClientSecret: strings.TrimSpace(string(secret)),
		TokenURL: os.Getenv("TOKEN_URL"), Scopes: []string{"tamarack"}, AuthStyle: oauth2.AuthStyleInParams,
	}
	ctx, cancel := context.WithTimeout(context.Background(), seconds("REQUEST_TIMEOUT", 30*time.Second))
	defer cancel()
	token, err := config.Token(ctx)
	if err != nil {
		return 0, err
	}
	// Half an hour lies between two requests in production: no connection is kept for so long.
	http.DefaultClient.CloseIdleConnections()
	if err := os.WriteFile(path+".new", []byte(token.AccessToken), 0o640); err != nil {
		return 0, err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return 0, err
	}
	return seconds("REFRESH_SECONDS", time.Until(token.Expiry)/2), nil
}

func main() {
	syscall.Umask(0o027)
	for {
		wait, err := fetch(os.Getenv("TOKEN_FILE"))
		if err != nil {
			log.Print(err)
			wait = seconds("RETRY_SECONDS", time.Minute)
		}
		time.Sleep(wait)
	}
}

// KonexusTokenHandler.cs puts the token that konexus-tokend keeps fresh into each request of an HttpClient.
//
//     var client = new HttpClient(new KonexusTokenHandler()) { Timeout = TimeSpan.FromSeconds(20) };
//     var alerting = new AlertingClient("https://admin.alertsense.com/api", client);
//
// AlertingClient is the vendor's; its generated clients accept any HttpClient. Do not call its Authenticate... methods:
// they set a token that nothing renews. The handler needs C# 7 and .NET Framework 4.5, .NET Standard 2.0 or newer.
//
// A request fails with an HttpRequestException, and nothing is sent, in two cases:
//     token not sent: ADDRESS is not HTTPS     The base address must start with https://.
//     no token: REASON                         The file is missing or unreadable: no valid token exists at the moment.
//
// After a 401, the handler reports the token by the command konexus-tokend, which must be in PATH. Its errors go to
// standard error.
using System;
using System.ComponentModel;
using System.Diagnostics;
using System.IO;
using System.Net;
using System.Net.Http;
using System.Net.Http.Headers;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

/// <summary>Reads the token from its file for each request. After a 401, reports it and tries once more.</summary>
public sealed class KonexusTokenHandler : DelegatingHandler
{
    private readonly string tokenFile;

    /// <summary>Makes a handler.</summary>
    /// <param name="tokenFile">The file that konexus-tokend replaces with each new token.</param>
    /// <param name="innerHandler">
    /// What sends the request. Without one, an HttpClientHandler that follows no redirects does.
    /// </param>
    public KonexusTokenHandler(
        string tokenFile = "/run/konexus-tokend/konexus.token", HttpMessageHandler innerHandler = null)
        : base(innerHandler ?? new HttpClientHandler { AllowAutoRedirect = false })
    {
        this.tokenFile = tokenFile;
    }

    /// <inheritdoc/>
    protected override async Task<HttpResponseMessage> SendAsync(
        HttpRequestMessage request, CancellationToken cancellationToken)
    {
        // The default address of the vendor's generated clients is http://admin.alertsense.com/api.
        if (request.RequestUri.Scheme != Uri.UriSchemeHttps)
        {
            var address = request.RequestUri.GetLeftPart(UriPartial.Authority);
            throw new HttpRequestException($"token not sent: {address} is not HTTPS\n-> use an https:// base address");
        }
        // A content can be sent only once, so the second attempt needs a copy.
        var body = request.Content == null ? null : await request.Content.ReadAsByteArrayAsync().ConfigureAwait(false);
        var token = ReadToken();
        var response = await SendCopyAsync(request, body, token, cancellationToken).ConfigureAwait(false);
        if (response.StatusCode != HttpStatusCode.Unauthorized) return response;
        response.Dispose();
        await Task.Run(() => Replace(token), cancellationToken).ConfigureAwait(false);
        return await SendCopyAsync(request, body, ReadToken(), cancellationToken).ConfigureAwait(false);
    }

    // Reports a token that the API rejected. The command ends when the file holds another token, or after 2 s.
    private void Replace(string token)
    {
        var name = Path.GetFileNameWithoutExtension(tokenFile);
        var directory = Path.GetDirectoryName(Path.GetFullPath(tokenFile));
        var command = new ProcessStartInfo(
            "konexus-tokend", $"refresh \"{name}\" --rejected - --wait 2s --directory \"{directory}\"")
        {
            UseShellExecute = false, RedirectStandardInput = true, RedirectStandardOutput = true
        };
        try
        {
            using (var process = Process.Start(command))
            {
                // Not by StandardInput itself, which can put a byte order mark before the token.
                var bytes = Encoding.ASCII.GetBytes(token);
                process.StandardInput.BaseStream.Write(bytes, 0, bytes.Length);
                process.StandardInput.Close();
                process.WaitForExit(15000);
            }
        }
        catch (Exception error) when (error is Win32Exception || error is IOException)
        {
            // The command is not installed, or ended early. The file can hold another token nevertheless.
        }
    }

    private async Task<HttpResponseMessage> SendCopyAsync(
        HttpRequestMessage request, byte[] body, string token, CancellationToken cancellationToken)
    {
        var copy = new HttpRequestMessage(request.Method, request.RequestUri) { Version = request.Version };
        foreach (var header in request.Headers) copy.Headers.TryAddWithoutValidation(header.Key, header.Value);
        copy.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        if (body != null)
        {
            copy.Content = new ByteArrayContent(body);
            foreach (var header in request.Content.Headers)
                copy.Content.Headers.TryAddWithoutValidation(header.Key, header.Value);
        }
        var response = await base.SendAsync(copy, cancellationToken).ConfigureAwait(false);
        response.RequestMessage = request;
        return response;
    }

    private string ReadToken()
    {
        try
        {
            return File.ReadAllText(tokenFile).Trim();
        }
        catch (Exception error) when (error is IOException || error is UnauthorizedAccessException)
        {
            throw new HttpRequestException($"no token: {error.Message}\n-> konexus-tokend status", error);
        }
    }
}

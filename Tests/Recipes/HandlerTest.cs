// HandlerTest API TOKEN_FILE ELSEWHERE calls the API with KonexusTokenHandler. Exit code 0: all checks passed.
// ELSEWHERE is an http:// address at which the caller counts requests.
// HandlerTest API TOKEN_FILE: the same while the API answers with redirects.
// HandlerTest API TOKEN_FILE rejected: the API rejects the token in the file, and konexus-tokend can get another one.
using System;
using System.IO;
using System.Net;
using System.Net.Http;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

/// <summary>After a 401 puts the valid token into the file, as konexus-tokend does.</summary>
internal sealed class Replacement : DelegatingHandler
{
    public int Requests;
    private readonly string file, token;

    public Replacement(string file, string token) : base(new HttpClientHandler())
    {
        this.file = file;
        this.token = token;
    }

    protected override async Task<HttpResponseMessage> SendAsync(
        HttpRequestMessage request, CancellationToken cancellation)
    {
        Requests++;
        var response = await base.SendAsync(request, cancellation);
        if (response.StatusCode == HttpStatusCode.Unauthorized) File.WriteAllText(file, token);
        return response;
    }
}

internal static class HandlerTest
{
    private static int failures;

    private static void Check(string what, bool isRight)
    {
        Console.WriteLine($"{(isRight ? "passed  " : "FAILED  ")} C#: {what}");
        if (!isRight) failures++;
    }

    private static HttpClient Client(string tokenFile, string address, HttpMessageHandler inner = null)
    {
        var handler = new KonexusTokenHandler(tokenFile, inner);
        return new HttpClient(handler) { BaseAddress = new Uri(address), Timeout = TimeSpan.FromSeconds(20) };
    }

    private static StringContent Json(string text) => new StringContent(text, Encoding.UTF8, "application/json");

    private static async Task<string> Failure(Func<Task> action)
    {
        try
        {
            await action();
            return "none";
        }
        catch (HttpRequestException error)
        {
            return error.Message;
        }
    }

    private static async Task Run(string api, string tokenFile, string elsewhere)
    {
        const string subscriptions = "/api/v2/settings/subscriptions", defaults = "/api/v2/alerts/defaults";
        var good = File.ReadAllText(tokenFile);
        var copy = tokenFile + ".copy";

        var client = Client(tokenFile, api);
        Check("GET", (await client.GetAsync(subscriptions)).StatusCode == HttpStatusCode.OK);
        var response = await client.PostAsync(defaults, Json("{}"));
        var text = await response.Content.ReadAsStringAsync();
        Check("POST", response.StatusCode == HttpStatusCode.OK && text.Contains("\"isSuccess\":true"));

        client = Client(copy, api);
        Check("no token file", (await Failure(() => client.GetAsync(subscriptions))).StartsWith("no token: "));
        File.WriteAllText(copy, "not.a.token");
        Check("a bad token", (await client.GetAsync(subscriptions)).StatusCode == HttpStatusCode.Unauthorized);
        File.WriteAllText(copy, good + "\n");
        response = await client.GetAsync(subscriptions);
        Check("the file is read for each request", response.StatusCode == HttpStatusCode.OK);

        File.WriteAllText(copy, "not.a.token");
        var replacement = new Replacement(copy, good);
        response = await Client(copy, api, replacement).PostAsync(defaults, Json("{\"alertType\": \"Default\"}"));
        var isRepeated = response.StatusCode == HttpStatusCode.OK && replacement.Requests == 2;
        Check("a token that is replaced after a 401", isRepeated);

        client = Client(tokenFile, elsewhere);
        Check("no HTTPS", (await Failure(() => client.GetAsync(""))).StartsWith("token not sent: http://127.0.0.1:"));
    }

    private static async Task Redirect(string api, string tokenFile)
    {
        var response = await Client(tokenFile, api).GetAsync("/api/v2/settings/subscriptions");
        Check("a redirect is not followed", response.StatusCode == HttpStatusCode.Redirect);
    }

    private static async Task Rejected(string api, string tokenFile)
    {
        var token = File.ReadAllText(tokenFile);
        var response = await Client(tokenFile, api).GetAsync("/api/v2/settings/subscriptions");
        Check("a token that the API rejected is reported", response.StatusCode == HttpStatusCode.OK);
        Check("and replaced", File.ReadAllText(tokenFile) != token);
    }

    private static int Main(string[] arguments)
    {
        if (arguments.Length == 3 && arguments[2] == "rejected")
            Rejected(arguments[0], arguments[1]).GetAwaiter().GetResult();
        else if (arguments.Length == 2) Redirect(arguments[0], arguments[1]).GetAwaiter().GetResult();
        else Run(arguments[0], arguments[1], arguments[2]).GetAwaiter().GetResult();
        return failures == 0 ? 0 : 1;
    }
}

using System;
using System.Net.Http;
using System.Threading;
using System.Threading.Tasks;

/// <summary>Sends files of results to the study's server, again and again until it has them.</summary>
public sealed class ResultsToServer : IDisposable
{
    private readonly HttpClient _http = new HttpClient();
    private readonly Uri _address;

    public ResultsToServer(string serverUrl, string token = null)
    {
        _address = new Uri(new Uri(serverUrl), "/api/uxf");
        if (!string.IsNullOrEmpty(token))
        {
            _http.DefaultRequestHeaders.Add("Authorization", "Bearer " + token);
        }
    }

    /// <summary>Ends when the server has it. The same file is kept once, however often it is sent.</summary>
    public async Task SendAsync(string path, string csv, CancellationToken stop)
    {
        while (true)
        {
            try
            {
                // Not FormUrlEncodedContent, which some runtimes limit to 64 kB.
                var form = new MultipartFormDataContent
                {
                    { new StringContent(path), "filepath" },
                    { new StringContent(csv), "data" }
                };
                using (var answer = await _http.PostAsync(_address, form, stop).ConfigureAwait(false))
                {
                    if (answer.IsSuccessStatusCode)
                    {
                        return;
                    }
                    if ((int)answer.StatusCode < 500)
                    {
                        throw new InvalidOperationException("the server does not want " + path + ": " + answer.StatusCode);
                    }
                }
            }
            catch (HttpRequestException)
            {
                // No Wi-Fi: there will be some.
            }
            await Task.Delay(TimeSpan.FromSeconds(1), stop).ConfigureAwait(false);
        }
    }

    public void Dispose()
    {
        _http.Dispose();
    }
}

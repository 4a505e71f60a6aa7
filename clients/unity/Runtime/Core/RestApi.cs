using System;
using System.Linq;
using System.Net;
using System.Net.Http;
using System.Net.Http.Headers;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace ExperimentServer
{
    /// <summary>The way that is always open: plain requests.</summary>
    internal sealed class RestApi : IDisposable
    {
        private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

        private static readonly TimeSpan FilePatience = TimeSpan.FromMinutes(10);

        private readonly HttpClient _http;
        private readonly HttpClient _fileHttp;
        private readonly string _who;
        private readonly Snapshots _snapshots;

        public RestApi(Uri server, int? participant, string token, Snapshots snapshots)
        {
            var address = new Uri(server, "/api/");
            _http = Client(address, token, Patience);
            _fileHttp = Client(address, token, FilePatience);
            _who = participant.HasValue ? "/" + participant.Value : "";
            _snapshots = snapshots;
        }

        /// <summary>What a server says, and the tag by which it knows it again.</summary>
        public struct State
        {
            /// <summary>Null if it is what has the tag that was asked with.</summary>
            public Snapshot Snapshot;
            public string Tag;
        }

        public void Dispose()
        {
            _http.Dispose();
            _fileHttp.Dispose();
        }

        /// <summary>Where the participant is; with a tag, whether that is still what has it.</summary>
        public async Task<State> StateAsync(string tag, CancellationToken stop)
        {
            var request = new HttpRequestMessage(HttpMethod.Get, "state" + _who);
            if (tag != null)
            {
                request.Headers.IfNoneMatch.Add(EntityTagHeaderValue.Parse(tag));
            }
            using (var answer = await AskAsync(request, stop).ConfigureAwait(false))
            {
                if (answer.StatusCode == HttpStatusCode.NotModified)
                {
                    return new State { Tag = tag };
                }
                var snapshot = _snapshots.Read(await SaidAsync(answer).ConfigureAwait(false));
                return new State { Snapshot = snapshot, Tag = answer.Headers.ETag?.ToString() };
            }
        }

        /// <summary>Make a move, once; returns where the participant is then.</summary>
        public async Task<Snapshot> MoveAsync(Move move, CancellationToken stop)
        {
            var path = move.Action + _who
                + (move.BlockId.HasValue ? "/" + move.BlockId.Value : "")
                + (move.From != null ? "?from_block=" + move.From.BlockId : "")
                + (move.From?.StartedAt != null ? "&from_started_at=" + Uri.EscapeDataString(move.From.StartedAt) : "");
            var request = new HttpRequestMessage(HttpMethod.Post, path);
            request.Headers.Add("Idempotency-Key", move.RequestId);
            using (var answer = await AskAsync(request, stop).ConfigureAwait(false))
            {
                var said = await SaidAsync(answer).ConfigureAwait(false);
                if (said.Type != JTokenType.Integer && Json.Text(said, "name") == null)
                {
                    throw Json.NotTheServers();
                }
            }
            return (await StateAsync(null, stop).ConfigureAwait(false)).Snapshot;
        }

        /// <summary>Send records; returns the server's answer.</summary>
        public async Task<JToken> RecordAsync(JObject body, CancellationToken stop)
        {
            var request = new HttpRequestMessage(HttpMethod.Post, "results" + _who)
            {
                Content = new StringContent(Json.Write(body), Encoding.UTF8, "application/json")
            };
            using (var answer = await AskAsync(request, stop).ConfigureAwait(false))
            {
                return await SaidAsync(answer).ConfigureAwait(false);
            }
        }

        /// <summary>Send a file whole; returns when the server has stored it.</summary>
        public async Task PutFileAsync(int participant, string name, byte[] content, CancellationToken stop)
        {
            var path = string.Join("/", name.Split('/').Select(Uri.EscapeDataString));
            var request = new HttpRequestMessage(HttpMethod.Put, "files/" + participant + "/" + path)
            {
                Content = new ByteArrayContent(content)
            };
            using (var answer = await AskAsync(request, stop, _fileHttp).ConfigureAwait(false))
            {
                if (Json.Text(await SaidAsync(answer).ConfigureAwait(false), "sha256") == null)
                {
                    throw Json.NotTheServers();
                }
            }
        }

        private static HttpClient Client(Uri address, string token, TimeSpan patience)
        {
            // The server redirects nobody: who does is on the way, and is not to have the token.
            var direct = new HttpClientHandler { AllowAutoRedirect = false };
            var http = new HttpClient(direct) { BaseAddress = address, Timeout = patience };
            if (token != null)
            {
                http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
            }
            return http;
        }

        private static async Task<JToken> SaidAsync(HttpResponseMessage answer)
        {
            return Json.Read(await answer.Content.ReadAsStringAsync().ConfigureAwait(false));
        }

        /// <summary>Raises StudyException with the server's code; any other exception is no answer.</summary>
        private async Task<HttpResponseMessage> AskAsync(
            HttpRequestMessage request, CancellationToken stop, HttpClient http = null)
        {
            var answer = await (http ?? _http).SendAsync(request, stop).ConfigureAwait(false);
            if (answer.IsSuccessStatusCode || answer.StatusCode == HttpStatusCode.NotModified)
            {
                return answer;
            }
            using (answer)
            {
                var problem = await answer.Content.ReadAsStringAsync().ConfigureAwait(false);
                throw Refusal(problem, (int)answer.StatusCode);
            }
        }

        private static Exception Refusal(string problem, int status)
        {
            JToken said = null;
            try
            {
                said = Json.Read(problem);
            }
            catch (JsonException)
            {
                // Not the server's words.
            }
            var code = Json.Text(said, "code");
            // Without one of the server's codes it was somebody on the way who answered.
            return code == null || status >= 500
                ? (Exception)new HttpRequestException("answered with " + status)
                : StudyException.Of(said, "detail");
        }
    }
}

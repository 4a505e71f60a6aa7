using System;
using System.Net;
using System.Net.Http;
using System.Net.Http.Headers;
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

        private readonly HttpClient _http;
        private readonly string _who;
        private EntityTagHeaderValue _tag;

        public RestApi(Uri server, int? participant, string token)
        {
            _http = new HttpClient { BaseAddress = new Uri(server, "/api/"), Timeout = Patience };
            if (token != null)
            {
                _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
            }
            _who = participant.HasValue ? "/" + participant.Value : "";
        }

        public void Dispose()
        {
            _http.Dispose();
        }

        /// <summary>Where the participant is; null if that is what was answered last.</summary>
        public async Task<Snapshot> StateAsync(CancellationToken stop)
        {
            var request = new HttpRequestMessage(HttpMethod.Get, "state" + _who);
            if (_tag != null)
            {
                request.Headers.IfNoneMatch.Add(_tag);
            }
            using (var answer = await AskAsync(request, stop).ConfigureAwait(false))
            {
                if (answer.StatusCode == HttpStatusCode.NotModified)
                {
                    return null;
                }
                var body = await answer.Content.ReadAsStringAsync().ConfigureAwait(false);
                var snapshot = Snapshot.From(Json.Read(body));
                _tag = answer.Headers.ETag;
                return snapshot;
            }
        }

        /// <summary>Make a move, once; returns where the participant is then.</summary>
        public async Task<Snapshot> MoveAsync(Move move, CancellationToken stop)
        {
            var path = move.Action + _who
                + (move.BlockId.HasValue ? "/" + move.BlockId.Value : "")
                + (move.FromBlock.HasValue ? "?from_block=" + move.FromBlock.Value : "");
            var request = new HttpRequestMessage(HttpMethod.Post, path);
            request.Headers.Add("Idempotency-Key", move.RequestId);
            (await AskAsync(request, stop).ConfigureAwait(false)).Dispose();
            _tag = null;
            return await StateAsync(stop).ConfigureAwait(false);
        }

        /// <summary>Raises StudyException with the server's code; any other exception is no answer.</summary>
        private async Task<HttpResponseMessage> AskAsync(HttpRequestMessage request, CancellationToken stop)
        {
            var answer = await _http.SendAsync(request, stop).ConfigureAwait(false);
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
                : new StudyException(code, Json.Text(said, "detail") ?? "");
        }
    }
}

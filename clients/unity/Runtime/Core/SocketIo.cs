// Engine.IO 4 and Socket.IO 5, as far as a client of one namespace speaks them: text frames over a
// WebSocket, from which the handshake, events and acknowledgements are taken. After their protocol
// documents at https://socket.io/docs/v4/engine-io-protocol/ and .../socket-io-protocol/.

using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Net.WebSockets;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace ExperimentServer
{
    /// <summary>One connection. It does not come back by itself.</summary>
    internal sealed class SocketIo : IDisposable
    {
        private const char Open = '0';
        private const char Close = '1';
        private const char Ping = '2';
        private const string Pong = "3";
        private const char Message = '4';

        private const char Connect = '0';
        private const char Disconnect = '1';
        private const char Event = '2';
        private const char Acknowledgement = '3';
        private const char ConnectError = '4';

        private static readonly TimeSpan OpensWithin = TimeSpan.FromSeconds(5);
        private static readonly TimeSpan GoneWithin = TimeSpan.FromSeconds(2);

        private readonly Uri _address;
        private readonly JObject _auth;
        private readonly Action<string, JToken> _heard;
        private readonly ClientWebSocket _socket = new ClientWebSocket();
        private readonly CancellationTokenSource _ended = new CancellationTokenSource();
        private readonly SemaphoreSlim _oneAtATime = new SemaphoreSlim(1, 1);
        private readonly object _lock = new object();
        private readonly Dictionary<int, TaskCompletionSource<JToken>> _calls =
            new Dictionary<int, TaskCompletionSource<JToken>>();

        private Task _opening = Task.CompletedTask;
        private int _lastCall;
        private bool _over;
        private TimeSpan _pinged;

        // A server can die between two steps of opening, too.
        private TimeSpan _silence = OpensWithin;

        /// <param name="server">Where it is, http or https.</param>
        /// <param name="auth">What the handshake says about who this is.</param>
        /// <param name="heard">Called with each event and its first argument, in their order.</param>
        public SocketIo(Uri server, JObject auth, Action<string, JToken> heard)
        {
            var scheme = server.Scheme == "https" ? "wss" : "ws";
            var port = server.IsDefaultPort ? "" : ":" + server.Port;
            _address = new Uri(scheme + "://" + server.Host + port + "/socket.io/?EIO=4&transport=websocket");
            _auth = auth;
            _heard = heard;
        }

        /// <summary>
        /// Connect and listen, until the connection ends. Raises StudyException when the server refuses
        /// the handshake; any other exception is a failed connection.
        /// </summary>
        public async Task RunAsync()
        {
            try
            {
                await OpenAsync().ConfigureAwait(false);
                while (true)
                {
                    var frame = await ReceiveAsync().ConfigureAwait(false);
                    if (frame == null || !await TakeAsync(frame).ConfigureAwait(false))
                    {
                        return;
                    }
                }
            }
            finally
            {
                End();
            }
        }

        /// <summary>
        /// Send an event, and wait for what it is answered with. Raises TimeoutException without an answer,
        /// also when the connection ends. A connection that leaves one unanswered is given up: it may be open
        /// on this side alone, and would be noticed by its silence much later.
        /// </summary>
        public async Task<JToken> CallAsync(string name, JToken argument, TimeSpan patience)
        {
            var answer = new TaskCompletionSource<JToken>(TaskCreationOptions.RunContinuationsAsynchronously);
            int id;
            lock (_lock)
            {
                if (_over)
                {
                    throw new TimeoutException("the connection has ended");
                }
                id = _lastCall++;
                _calls[id] = answer;
            }
            try
            {
                using (var late = new CancellationTokenSource())
                {
                    var answered = SendAndWaitAsync(id, new JArray { name, argument }, answer.Task);
                    var first = await Task.WhenAny(answered, Task.Delay(patience, late.Token)).ConfigureAwait(false);
                    late.Cancel();
                    if (first != answered)
                    {
                        End();
                        throw new TimeoutException(name + " was not answered");
                    }
                    return await answered.ConfigureAwait(false);
                }
            }
            finally
            {
                lock (_lock)
                {
                    _calls.Remove(id);
                }
            }
        }

        /// <summary>End the connection without waiting for the other side, which may be gone.</summary>
        public void End()
        {
            List<TaskCompletionSource<JToken>> calls;
            lock (_lock)
            {
                if (_over)
                {
                    return;
                }
                _over = true;
                calls = new List<TaskCompletionSource<JToken>>(_calls.Values);
            }
            foreach (var call in calls)
            {
                call.TrySetException(new TimeoutException("the connection has ended"));
            }
            _ended.Cancel();
            _socket.Abort();
        }

        /// <summary>
        /// Ends when nothing of an ended connection runs any more. A program that exits while Mono still makes its
        /// socket hangs; with a server that is silent, Mono's opening never ends, so that this ends without it.
        /// </summary>
        public Task GoneAsync()
        {
            return Task.WhenAny(_opening, Task.Delay(GoneWithin));
        }

        public void Dispose()
        {
            End();
            _socket.Dispose();
        }

        private async Task OpenAsync()
        {
            _opening = _socket.ConnectAsync(_address, _ended.Token);
            // Mono's does not end when it is cancelled while a server is silent.
            var late = Task.Delay(OpensWithin, _ended.Token);
            if (await Task.WhenAny(_opening, late).ConfigureAwait(false) != _opening)
            {
                throw new TimeoutException("the server has not answered");
            }
            await _opening.ConfigureAwait(false);
        }

        /// <summary>Whether the connection goes on.</summary>
        private async Task<bool> TakeAsync(string frame)
        {
            if (frame.Length == 0)
            {
                return true;
            }
            switch (frame[0])
            {
                case Open:
                    Opened(Json.Read(frame.Substring(1)));
                    await SendAsync(string.Concat(Message, Connect, Json.Write(_auth))).ConfigureAwait(false);
                    return true;
                case Ping:
                    await SendAsync(Pong).ConfigureAwait(false);
                    return true;
                case Close:
                    return false;
                case Message:
                    return frame.Length < 2 || TakePacket(frame[1], frame.Substring(2));
                default:
                    return true;
            }
        }

        private void Opened(JToken handshake)
        {
            var interval = Json.Member(handshake, "pingInterval");
            var timeout = Json.Member(handshake, "pingTimeout");
            if (interval?.Type != JTokenType.Integer || timeout?.Type != JTokenType.Integer)
            {
                throw new JsonException("what answers is no Socket.IO server");
            }
            // Who has heard nothing for so long has lost the server without noticing.
            _pinged = TimeSpan.FromMilliseconds((int)interval + (int)timeout);
        }

        private bool TakePacket(char type, string rest)
        {
            switch (type)
            {
                case Connect:
                    _silence = _pinged;
                    return true;
                case ConnectError:
                    var error = Json.Read(rest);
                    throw new StudyException(
                        Json.Text(Json.Member(error, "data"), "code") ?? "refused",
                        Json.Text(error, "message") ?? "the server refused the connection");
                case Disconnect:
                    return false;
                case Event:
                    var said = Json.Read(AfterNumber(rest, out _)) as JArray;
                    if (said != null && said.Count > 0)
                    {
                        _heard((string)said[0], said.Count > 1 ? said[1] : null);
                    }
                    return true;
                case Acknowledgement:
                    var answer = Json.Read(AfterNumber(rest, out var id)) as JArray;
                    TaskCompletionSource<JToken> call;
                    lock (_lock)
                    {
                        _calls.TryGetValue(id, out call);
                    }
                    if (call != null)
                    {
                        call.TrySetResult(answer != null && answer.Count > 0 ? answer[0] : null);
                    }
                    return true;
                default:
                    return true;
            }
        }

        private async Task<JToken> SendAndWaitAsync(int id, JToken packet, Task<JToken> answer)
        {
            var number = id.ToString(CultureInfo.InvariantCulture);
            await SendAsync(string.Concat(Message, Event, number, Json.Write(packet))).ConfigureAwait(false);
            return await answer.ConfigureAwait(false);
        }

        private static string AfterNumber(string packet, out int number)
        {
            var digits = 0;
            while (digits < packet.Length && packet[digits] >= '0' && packet[digits] <= '9')
            {
                digits++;
            }
            if (!int.TryParse(packet.Substring(0, digits), NumberStyles.None, CultureInfo.InvariantCulture, out number))
            {
                number = -1;
            }
            return packet.Substring(digits);
        }

        /// <summary>The next frame; null when the server has closed the connection.</summary>
        private async Task<string> ReceiveAsync()
        {
            var buffer = new ArraySegment<byte>(new byte[8192]);
            using (var whole = new MemoryStream())
            using (var silent = CancellationTokenSource.CreateLinkedTokenSource(_ended.Token))
            {
                silent.CancelAfter(_silence);
                WebSocketReceiveResult part;
                do
                {
                    part = await _socket.ReceiveAsync(buffer, silent.Token).ConfigureAwait(false);
                    if (part.MessageType == WebSocketMessageType.Close)
                    {
                        return null;
                    }
                    whole.Write(buffer.Array, 0, part.Count);
                }
                while (!part.EndOfMessage);
                // The contract has no binary messages.
                return part.MessageType == WebSocketMessageType.Text
                    ? Encoding.UTF8.GetString(whole.ToArray())
                    : "";
            }
        }

        private async Task SendAsync(string frame)
        {
            var bytes = new ArraySegment<byte>(Encoding.UTF8.GetBytes(frame));
            // A WebSocket takes one message after the other.
            await _oneAtATime.WaitAsync(_ended.Token).ConfigureAwait(false);
            try
            {
                await _socket.SendAsync(bytes, WebSocketMessageType.Text, true, _ended.Token).ConfigureAwait(false);
            }
            finally
            {
                _oneAtATime.Release();
            }
        }
    }
}

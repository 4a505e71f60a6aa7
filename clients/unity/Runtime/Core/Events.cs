using System;
using System.Collections.Generic;
using System.IO;
using System.Net;
using System.Net.Http;
using System.Net.Sockets;
using System.Net.WebSockets;
using Newtonsoft.Json;

namespace ExperimentServer
{
    /// <summary>Raises events one after the other, in the order in which they were added.</summary>
    internal sealed class Events
    {
        private readonly Action<Action> _dispatch;
        private readonly Action<Exception> _problem;
        private readonly Queue<Action> _added = new Queue<Action>();
        private bool _raising;

        public Events(Action<Action> dispatch, Action<Exception> problem)
        {
            _dispatch = dispatch ?? (raise => raise());
            _problem = problem ?? (error => Console.Error.WriteLine(error));
        }

        /// <summary>To be called where the order is decided; Raise has to follow.</summary>
        public void Add(Action raise)
        {
            lock (_added)
            {
                _added.Enqueue(raise);
            }
        }

        /// <summary>Raise what was added. To be called without a lock: listeners do as they like.</summary>
        public void Raise()
        {
            lock (_added)
            {
                if (_raising)
                {
                    // Whoever raises now, here or on another thread, comes to it.
                    return;
                }
                _raising = true;
            }
            while (true)
            {
                Action next;
                lock (_added)
                {
                    if (_added.Count == 0)
                    {
                        _raising = false;
                        return;
                    }
                    next = _added.Dequeue();
                }
                try
                {
                    _dispatch(next);
                }
                catch (Exception error)
                {
                    // A listener's mistake is not the connection's.
                    _problem(error);
                }
            }
        }

        /// <summary>Tell of what nobody has to expect; networks fail, and that is none of it.</summary>
        public void Report(Exception error)
        {
            var expected = error is WebSocketException || error is HttpRequestException || error is IOException
                || error is SocketException || error is WebException || error is OperationCanceledException
                || error is TimeoutException || error is ObjectDisposedException || error is JsonException;
            if (!expected)
            {
                _problem(error);
            }
        }
    }
}

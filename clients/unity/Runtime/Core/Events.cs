using System;
using System.Collections.Generic;
using System.IO;
using System.Net;
using System.Net.Http;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Threading.Tasks;
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

        /// <summary>
        /// Raise what was added, on a thread of the pool: a listener may block, for example because it waits
        /// for the answer to a move, and what is received must not wait for it.
        /// </summary>
        public void Raise()
        {
            lock (_added)
            {
                if (_raising || _added.Count == 0)
                {
                    return;
                }
                _raising = true;
            }
            Task.Run((Action)RaiseAll);
        }

        /// <summary>Call each of an event's listeners; what one throws is reported, and the others are called.</summary>
        public void Call<T>(Action<T> listeners, T value)
        {
            if (listeners == null)
            {
                return;
            }
            foreach (var listener in listeners.GetInvocationList())
            {
                try
                {
                    ((Action<T>)listener)(value);
                }
                catch (Exception error)
                {
                    Tell(error);
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
                Tell(error);
            }
        }

        private void RaiseAll()
        {
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
                    Tell(error);
                }
            }
        }

        private void Tell(Exception problem)
        {
            try
            {
                _problem(problem);
            }
            catch (Exception error)
            {
                // Nobody is left to be told, and the events that follow are still to be raised.
                Console.Error.WriteLine(problem);
                Console.Error.WriteLine(error);
            }
        }
    }
}

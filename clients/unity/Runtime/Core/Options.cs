using System;

namespace ExperimentServer
{
    /// <summary>Whom to take part as, and where.</summary>
    public sealed class Options
    {
        /// <summary>Where the server is, like "http://192.168.1.5:5000".</summary>
        public string Url { get; set; }

        /// <summary>Null is whom the token names, or the server's default participant.</summary>
        public int? Participant { get; set; }

        /// <summary>What lets the app in, where the server asks for it; null if it does not.</summary>
        public string Token { get; set; }

        /// <summary>
        /// The folder in which records wait until they are sent, for example
        /// "Application.persistentDataPath"; null keeps them in memory only, and a killed app loses them.
        /// </summary>
        public string Storage { get; set; }

        /// <summary>
        /// Called with every event that is to be raised, in their order; null raises them on threads of
        /// the pool, one after the other. Unity has to have them on its main thread.
        /// </summary>
        public Action<Action> Dispatch { get; set; }

        /// <summary>
        /// Called with what a listener of yours has thrown, and with mistakes of this client; null
        /// writes them to the console.
        /// </summary>
        public Action<Exception> Problem { get; set; }
    }
}

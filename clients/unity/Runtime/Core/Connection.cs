namespace ExperimentServer
{
    /// <summary>How the app reaches the server.</summary>
    public enum Connection
    {
        /// <summary>Not at all for now.</summary>
        None,

        /// <summary>Over a socket: changes are heard at once.</summary>
        Socket,

        /// <summary>By plain requests, because no socket can be opened.</summary>
        Rest
    }
}

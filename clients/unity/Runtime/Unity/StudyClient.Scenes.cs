using UnityEngine.Events;

namespace ExperimentServer
{
    /// <summary>Several scenes: the client that was first takes part, and later ones work as it does.</summary>
    public sealed partial class StudyClient
    {
        private static StudyClient _kept;

        private StudyClient _first;

        /// <summary>The client that takes part: of several that are kept across scenes, the first.</summary>
        private StudyClient Leader
        {
            get { return _first == null ? this : _first; }
        }

        /// <summary>Null while nobody takes part.</summary>
        private Study Taking
        {
            get { return Leader._study; }
        }

        /// <summary>
        /// Call a listener with each block, as Block Changed does, and at once with the current one, so that a
        /// script of a scene that is loaded later misses nothing.
        /// </summary>
        public void Follow(UnityAction<Snapshot> listener)
        {
            Leader.blockChanged.AddListener(listener);
            if (Leader._shown != null)
            {
                listener(Leader._shown);
            }
        }

        /// <summary>Call a listener no longer.</summary>
        public void Unfollow(UnityAction<Snapshot> listener)
        {
            blockChanged.RemoveListener(listener);
            Leader.blockChanged.RemoveListener(listener);
        }

        private void Keep()
        {
            if (_kept != null && _kept != this)
            {
                // The scene has been loaded again, and one participant has one connection.
                _first = _kept;
                return;
            }
            _kept = this;
            DontDestroyOnLoad(gameObject);
        }

        private void Join()
        {
            Pass(true);
            var shown = _first._shown;
            if (shown == null)
            {
                return;
            }
            blockChanged.Invoke(shown);
            if (shown.Ended)
            {
                ended.Invoke(shown);
            }
        }

        private void Leave()
        {
            Pass(false);
        }

        /// <summary>Have the first client's events raise this one's, for what the scene has set on it, or no longer.</summary>
        private void Pass(bool on)
        {
            Pass(_first.blockChanged, blockChanged, on);
            Pass(_first.configChanged, configChanged, on);
            Pass(_first.ended, ended, on);
            Pass(_first.connectionChanged, connectionChanged, on);
            Pass(_first.refused, refused, on);
            Pass(_first.recordRefused, recordRefused, on);
            Pass(_first.storageFailed, storageFailed, on);
        }

        private static void Pass<T>(UnityEvent<T> raised, UnityEvent<T> raises, bool on)
        {
            if (on)
            {
                raised.AddListener(raises.Invoke);
            }
            else
            {
                raised.RemoveListener(raises.Invoke);
            }
        }
    }
}

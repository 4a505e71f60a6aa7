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

        /// <summary>The events of the first client are this one's too, for what the scene has set on it.</summary>
        private void Join()
        {
            _first.configChanged.AddListener(configChanged.Invoke);
            _first.ended.AddListener(ended.Invoke);
            _first.connectionChanged.AddListener(connectionChanged.Invoke);
            _first.refused.AddListener(refused.Invoke);
            _first.recordRefused.AddListener(recordRefused.Invoke);
            _first.storageFailed.AddListener(storageFailed.Invoke);
            _first.Follow(blockChanged.Invoke);
            if (_first._shown != null && _first._shown.Ended)
            {
                ended.Invoke(_first._shown);
            }
        }

        private void Leave()
        {
            _first.configChanged.RemoveListener(configChanged.Invoke);
            _first.ended.RemoveListener(ended.Invoke);
            _first.connectionChanged.RemoveListener(connectionChanged.Invoke);
            _first.refused.RemoveListener(refused.Invoke);
            _first.recordRefused.RemoveListener(recordRefused.Invoke);
            _first.storageFailed.RemoveListener(storageFailed.Invoke);
            _first.Unfollow(blockChanged.Invoke);
        }
    }
}

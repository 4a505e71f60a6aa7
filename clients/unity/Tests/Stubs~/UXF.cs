// As much of the Unity Experiment Framework as its sample names: https://github.com/immersivecognition/unity-experiment-framework

using System;
using System.Collections.Generic;

namespace UXF
{
    public sealed class Settings
    {
        public readonly Dictionary<string, object> Values = new Dictionary<string, object>();

        public void SetValue(string key, object value)
        {
            Values[key] = value;
        }
    }

    public sealed class Trial
    {
        public Block block;

        public void Begin()
        {
            block.session.CurrentTrial = this;
            block.session.InTrial = true;
            block.session.TrialBegun(this);
        }

        public void End()
        {
            block.session.InTrial = false;
            block.session.TrialEnded(this);
        }
    }

    public sealed class Block
    {
        public readonly Session session;
        public readonly List<Trial> trials = new List<Trial>();
        public readonly Settings settings = new Settings();

        public Block(Session session, int trials)
        {
            this.session = session;
            for (var number = 0; number < trials; number++)
            {
                this.trials.Add(new Trial { block = this });
            }
        }

        public Trial firstTrial
        {
            get { return trials[0]; }
        }

        public Trial lastTrial
        {
            get { return trials[trials.Count - 1]; }
        }
    }

    public sealed class Session
    {
        public readonly List<Block> blocks = new List<Block>();
        public Action<Trial> TrialBegun = trial => { };
        public Action<Trial> TrialEnded = trial => { };

        public bool InTrial { get; internal set; }

        public Trial CurrentTrial { get; internal set; }

        public bool Ended { get; private set; }

        public Block CreateBlock(int numberOfTrials)
        {
            var block = new Block(this, numberOfTrials);
            blocks.Add(block);
            return block;
        }

        public void End()
        {
            Ended = true;
        }
    }
}

using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;
using ExperimentServer;

/// <summary>What a block of the study says about its targets.</summary>
public sealed class SelectionConfig
{
    public string technique;
    public float diameter;
    public int targets;
    public float[] directions;
    public float radius;
    public float distance;
    public float height;
    public bool practice;
}

/// <summary>
/// One block: target after target on a circle, each selected with a press, hit or miss. It knows nothing of
/// Unity, so that it runs wherever C# does; see SelectionScene for the scene, Headless for a test.
/// </summary>
public sealed class SelectionTask
{
    private readonly StringBuilder _rows = new StringBuilder();
    private int _selected;
    private double _shownAt;

    public SelectionTask(Snapshot block, double now)
    {
        Block = block;
        Config = block.GetConfig<SelectionConfig>();
        _shownAt = now;
        _rows.Append("participant,block,block_started_at,trial,technique,diameter_cm,direction,hit,error_m,time_s\n");
    }

    public Snapshot Block { get; private set; }

    public SelectionConfig Config { get; private set; }

    public bool Done
    {
        get { return _selected >= Config.targets; }
    }

    public int Errors { get; private set; }

    /// <summary>Where the current target is, in metres: x to the right, y up, z ahead.</summary>
    public float[] Target
    {
        get
        {
            var angle = Config.directions[_selected % Config.directions.Length] * Math.PI / 180;
            return new[]
            {
                (float)(Config.radius * Math.Sin(angle)),
                (float)(Config.height + Config.radius * Math.Cos(angle)),
                Config.distance
            };
        }
    }

    /// <summary>The participant has pressed, with the end of ray or hand at a place; whether that is a hit.</summary>
    public bool Press(float[] at, double now)
    {
        var target = Target;
        var distance = 0.0;
        for (var axis = 0; axis < 3; axis++)
        {
            distance += Math.Pow(at[axis] - target[axis], 2);
        }
        var error = Math.Sqrt(distance);
        var hit = error <= Config.diameter / 200;
        Errors += hit ? 0 : 1;
        Write(hit, error, now - _shownAt);
        _selected++;
        _shownAt = now;
        return hit;
    }

    /// <summary>A row for each press.</summary>
    public string Csv()
    {
        return _rows.ToString();
    }

    /// <summary>Where the results of this block belong, below the session's folder on the server.</summary>
    public string Path()
    {
        return string.Format(
            CultureInfo.InvariantCulture, "P{0:000}/{1:00}-{2}.csv", Block.ParticipantIndex, Block.BlockId, Block.BlockName);
    }

    private void Write(bool hit, double error, double took)
    {
        var direction = Config.directions[_selected % Config.directions.Length];
        var values = new List<object>
        {
            Block.ParticipantIndex, Block.BlockName, Block.BlockStartedAt, _selected + 1, Config.technique, Config.diameter,
            direction, hit ? 1 : 0, error.ToString("F4", CultureInfo.InvariantCulture), took.ToString("F4", CultureInfo.InvariantCulture)
        };
        for (var column = 0; column < values.Count; column++)
        {
            _rows.Append(column == 0 ? "" : ",").Append(Convert.ToString(values[column], CultureInfo.InvariantCulture));
        }
        _rows.Append('\n');
    }
}

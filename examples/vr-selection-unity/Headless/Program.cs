// Takes part like a headset would, without one: the same task, and a hand that obeys Fitts' law.
//
//     headless.exe http://127.0.0.1:5000 1 [speed]

using System;
using System.Collections.Concurrent;
using System.Globalization;
using System.Threading.Tasks;
using ExperimentServer;

internal static class Program
{
    private const double ReactionSeconds = 0.25;
    private const double SecondsPerBit = 0.18;

    public static void Main(string[] arguments)
    {
        var participant = int.Parse(arguments[1], CultureInfo.InvariantCulture);
        var speed = arguments.Length > 2 ? double.Parse(arguments[2], CultureInfo.InvariantCulture) : 1;
        try
        {
            TakePartAsync(arguments[0], participant, speed).GetAwaiter().GetResult();
        }
        catch (StudyException refusal)
        {
            Console.Error.WriteLine("Not let in: " + refusal.Message);
            Environment.Exit(1);
        }
        Environment.Exit(0);
    }

    private static async Task TakePartAsync(string url, int participant, double speed)
    {
        var blocks = new BlockingCollection<Snapshot>();
        var options = new Options { Url = url, Participant = participant };
        var study = await Study.ConnectAsync(options, joined => joined.BlockChanged += blocks.Add);
        var chance = new Random(participant);
        while (true)
        {
            var block = blocks.Take();
            if (block.Ended)
            {
                break;
            }
            if (block.Active)
            {
                await WorkAsync(block, study, chance, speed);
            }
            await LeaveAsync(block);
        }
        // Records wait in memory here, since Options has no Storage; in Unity they wait in files.
        await study.FlushAsync();
        Console.WriteLine("participant {0}: finished", participant);
        await study.CloseAsync();
    }

    private static async Task LeaveAsync(Snapshot block)
    {
        try
        {
            await block.FinishAsync();
        }
        catch (StudyException refusal) when (refusal.Code == "participant-elsewhere")
        {
            // The experimenter has moved us on already.
        }
    }

    private static async Task WorkAsync(Snapshot block, Study study, Random chance, double speed)
    {
        var now = 0.0;
        var task = new SelectionTask(block, now);
        var hand = new[] { 0f, task.Config.height, task.Config.distance };
        while (!task.Done)
        {
            var target = task.Target;
            var away = Math.Sqrt(Math.Pow(hand[0] - target[0], 2) + Math.Pow(hand[1] - target[1], 2));
            var took = ReactionSeconds + SecondsPerBit * Math.Log(away / (task.Config.diameter / 100) + 1, 2);
            took *= 0.8 + 0.4 * chance.NextDouble();
            await Task.Delay(TimeSpan.FromSeconds(took / speed));
            if (study.Snapshot.BlockId != block.BlockId)
            {
                return;
            }
            now += took;
            var spread = task.Config.diameter / 400;
            hand = new[] { target[0] + Noise(chance, spread), target[1] + Noise(chance, spread), target[2] };
            task.Press(hand, now);
        }
        Console.WriteLine(
            string.Format(
                CultureInfo.InvariantCulture,
                "participant {0}: {1,-9} {2} targets, {3} missed, {4:F2} s each",
                block.ParticipantIndex, block.BlockName, task.Config.targets, task.Errors, now / task.Config.targets));
    }

    private static float Noise(Random chance, float spread)
    {
        return (float)(spread * Math.Sqrt(-2 * Math.Log(1 - chance.NextDouble())) * Math.Cos(2 * Math.PI * chance.NextDouble()));
    }
}

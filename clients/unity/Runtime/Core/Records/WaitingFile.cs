using System;
using System.IO;
using System.Text;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace ExperimentServer
{
    /// <summary>
    /// A file that the server has not got yet: on the device its content follows a line of JSON with its name.
    /// </summary>
    internal sealed class WaitingFile
    {
        private const string Suffix = ".waiting";

        private byte[] _content;
        private string _path;

        private WaitingFile(string name)
        {
            Name = name;
        }

        /// <summary>Its path at the server, below the participant's folder.</summary>
        public string Name { get; }

        public static WaitingFile Of(string name, byte[] content)
        {
            return new WaitingFile(name) { _content = content };
        }

        /// <summary>The files in a folder, in the order in which they were written.</summary>
        public static string[] In(string folder)
        {
            if (!Directory.Exists(folder))
            {
                return new string[0];
            }
            var paths = Directory.GetFiles(folder, "*" + Suffix);
            Array.Sort(Array.ConvertAll(paths, File.GetLastWriteTimeUtc), paths);
            return paths;
        }

        /// <summary>Have a file of an earlier run; null if it is none.</summary>
        public static WaitingFile Open(string path)
        {
            using (var reader = new StreamReader(path, new UTF8Encoding(false)))
            {
                try
                {
                    var name = Json.Text(Json.Read(reader.ReadLine() ?? ""), "name");
                    return name == null ? null : new WaitingFile(name) { _path = path };
                }
                catch (JsonException)
                {
                    return null;
                }
            }
        }

        /// <summary>Write it to the device, whole or not at all. Raises IOException or UnauthorizedAccessException.</summary>
        public void Write(string folder, string id)
        {
            Directory.CreateDirectory(folder);
            var path = Path.Combine(folder, id + Suffix);
            var head = Encoding.UTF8.GetBytes(Json.Write(new JObject { { "name", Name } }) + "\n");
            using (var file = new FileStream(path + ".part", FileMode.Create))
            {
                file.Write(head, 0, head.Length);
                file.Write(_content, 0, _content.Length);
            }
            File.Move(path + ".part", path);
            _path = path;
            _content = null;
        }

        public byte[] Read()
        {
            if (_path == null)
            {
                return _content;
            }
            var all = File.ReadAllBytes(_path);
            var start = Array.IndexOf(all, (byte)'\n') + 1;
            var content = new byte[all.Length - start];
            Buffer.BlockCopy(all, start, content, 0, content.Length);
            return content;
        }

        /// <summary>The server has it.</summary>
        public void Delete()
        {
            if (_path != null)
            {
                File.Delete(_path);
            }
        }

        /// <summary>The server will never have it: keep it on the device, under another name.</summary>
        public void SetAside()
        {
            if (_path != null)
            {
                File.Move(_path, _path.Substring(0, _path.Length - Suffix.Length) + ".set-aside");
            }
        }
    }
}

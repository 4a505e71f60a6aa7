using System.IO;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace ExperimentServer
{
    /// <summary>JSON as it was written.</summary>
    internal static class Json
    {
        /// <summary>Read a value; raises JsonException.</summary>
        /// <remarks>
        /// Not JToken.Parse, which takes every text that looks like a date for one, and changes it.
        /// </remarks>
        public static JToken Read(string text)
        {
            using (var reader = new JsonTextReader(new StringReader(text)))
            {
                reader.DateParseHandling = DateParseHandling.None;
                return JToken.ReadFrom(reader);
            }
        }

        /// <summary>Write a value in one line.</summary>
        public static string Write(JToken value)
        {
            return value.ToString(Formatting.None);
        }

        /// <summary>For an answer that the server would not give: somebody on the way did.</summary>
        public static JsonException NotTheServers()
        {
            return new JsonException("somebody on the way answered in the server's place");
        }

        /// <summary>A member of an object, null if it is not there or is null.</summary>
        public static JToken Member(JToken value, string name)
        {
            var found = value is JObject members ? members[name] : null;
            return found == null || found.Type == JTokenType.Null ? null : found;
        }

        /// <summary>A text in an object, null if there is none.</summary>
        public static string Text(JToken value, string name)
        {
            var found = Member(value, name);
            return found != null && found.Type == JTokenType.String ? (string)found : null;
        }
    }
}

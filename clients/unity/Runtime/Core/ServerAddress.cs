using System;

namespace ExperimentServer
{
    /// <summary>Reads where a server is from what somebody has typed or copied.</summary>
    internal static class ServerAddress
    {
        private const string Example = "http://192.168.1.5:5000";

        /// <summary>The server's address. Raises StudyException (`address-invalid`) that says what to write.</summary>
        public static Uri Parse(string typed)
        {
            var text = (typed ?? "").Trim();
            if (text.Length == 0)
            {
                throw Invalid("the server's address is missing: it is like \"" + Example + "\"");
            }
            var address = Web(text);
            if (address == null)
            {
                var after = text.IndexOf("://", StringComparison.Ordinal);
                var meant = Web("http://" + (after < 0 ? text : text.Substring(after + 3)));
                throw Invalid(
                    "the server's address begins with http:// or https://, and not as \"" + text + "\": it is like \""
                    + (meant == null ? Example : Root(meant)) + "\"");
            }
            if (address.UserInfo.Length > 0)
            {
                throw Invalid("the server's address has no user name in it: \"" + Root(address) + "\", and the token beside it");
            }
            if (address.PathAndQuery != "/" || address.Fragment.Length > 0)
            {
                throw Invalid(
                    "the server's address ends after its port: \"" + Root(address) + "\", and not \"" + Shown(address)
                    + "\"; participant and token are given beside it");
            }
            return address;
        }

        private static Uri Web(string text)
        {
            var reads = Uri.TryCreate(text, UriKind.Absolute, out var address);
            return reads && (address.Scheme == "http" || address.Scheme == "https") ? address : null;
        }

        private static string Root(Uri address)
        {
            return address.GetLeftPart(UriPartial.Authority);
        }

        /// <summary>The address for a message, which may be logged: a login link has a secret in it.</summary>
        private static string Shown(Uri address)
        {
            return address.Query.Contains("token=") ? address.GetLeftPart(UriPartial.Path) + "?token=..." : address.ToString();
        }

        private static StudyException Invalid(string message)
        {
            return new StudyException("address-invalid", message);
        }
    }
}

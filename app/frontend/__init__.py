"""The prediction app for people; talks to the prediction API over HTTP only."""

"""serverless.yaml under the Serverless Framework's open CLI, and the script that deploys to Google."""

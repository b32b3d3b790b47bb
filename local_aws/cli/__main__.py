"""Run the command line as `python -m local_aws.cli`."""

from local_aws.cli import main

if __name__ == "__main__":
    main()

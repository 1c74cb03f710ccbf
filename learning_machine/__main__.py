"""`python -m learning_machine`: the same as the command `learning-machine`."""

from learning_machine.cli import main

if __name__ == "__main__":
    main()

"""Where a front-end process begins; only the supervisor starts one."""

from aiges_loader.fronts.child import main

if __name__ == "__main__":
    main()
